"""One package per Azure service: routes.py parses, calls and answers; state.py is plain Python."""

SERVICE_NAMES = (
    "arm",
    "artifacts",
    "content",
    "credential",
    "datasets",
    "datastores",
    "discovery",
    "environments",
    "execution",
    "history",
    "jasmine",
    "local",
    "login",
    "metrics",
    "models",
    "pipelines",
)
"""The packages in here, each with a `routes.py`."""
