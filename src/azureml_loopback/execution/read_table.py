"""Reads a saved dataset by the SDK's own reader and writes it as one Parquet file.

A program of its own, beside a config.json: the reader takes the way to the service from its
process's environment variables.
"""

from __future__ import annotations

import sys


def main(saved_id: str, target: str) -> int:
    """Write the dataset; say in one line on standard error what hinders it.

    Args:
        saved_id: The saved dataset.
        target: The Parquet file.

    Returns:
        The exit status.
    """
    from azureml.core import Dataset, Workspace  # noqa: PLC0415  (slow to import)

    try:
        dataset = Dataset.get_by_id(Workspace.from_config(), saved_id)
        frame = dataset.to_pandas_dataframe()
    except Exception as error:
        text = " ".join(str(error).split())
        print(f"{type(error).__name__}: {text}", file=sys.stderr, flush=True)
        return 1
    frame.to_parquet(target, index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
