"""Azure ML's v1 service on 127.0.0.1, for the unmodified SDK; it really runs what is submitted."""
