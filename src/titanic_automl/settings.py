"""Kedro's project settings: https://docs.kedro.org/en/stable/configure/configuration_basics/."""

from typing import Any


def _polars_type(name: str) -> Any:
    """Resolve ``${polars:Int8}``; polars is imported only where a catalog asks for it."""
    import polars  # noqa: PLC0415

    return getattr(polars, name)


CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "custom_resolvers": {"polars": _polars_type},
}
