"""The model management service: models with versions, and the assets that hold their files."""
