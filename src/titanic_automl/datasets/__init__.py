"""Dataset classes of the project, named in the catalog by ``type:``."""
