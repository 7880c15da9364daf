"""The modular pipelines of the project."""
