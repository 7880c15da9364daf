"""A registered model answering requests: here over HTTP, or as an Azure ML endpoint."""
