"""`python -m local_automl`: one training run as a process of its own.

Standard output: one JSON object a line, {iteration, learner, metric, value, best}. Exit code 0
leaves DIR/model.pkl and DIR/metrics.json. Otherwise the last line of standard error is the error:
1 means that the training failed, 2 that the call or the settings are wrong.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_automl.settings import AutoMLSettings, SettingsError, settings_from_mapping

if TYPE_CHECKING:
    from local_automl.result import Iteration

FAILED = 1
WRONG_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: As on the command line, without the program's name.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    try:
        _run(options)
    except (SettingsError, FileNotFoundError) as error:
        return _fail(error, WRONG_USAGE)
    except ValueError as error:
        return _fail(error, FAILED)
    except OSError as error:
        return _fail(error, FAILED)
    return 0


def _run(options: argparse.Namespace) -> None:
    settings = _settings(options.settings)
    frames = [path for path in (options.training_data, options.validation_data) if path]
    for path in frames:
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or directory of parquet files")
    from local_automl.engine import train  # noqa: PLC0415 - wrong settings must not wait for it

    result = train(
        _read(options.training_data),
        settings,
        _read(options.validation_data) if options.validation_data else None,
        random_seed=options.random_seed,
        on_iteration=_print_iteration,
    )
    options.output.mkdir(parents=True, exist_ok=True)
    _write(options.output / "model.pkl", pickle.dumps(result.model))
    metrics = json.dumps(result.metrics, indent=1, allow_nan=False)
    _write(options.output / "metrics.json", metrics.encode())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_automl", description="Train a model on this machine."
    )
    parser.add_argument("--settings", type=Path, required=True, metavar="S.json")
    parser.add_argument("--training-data", type=Path, required=True, metavar="T.parquet")
    parser.add_argument("--validation-data", type=Path, metavar="V.parquet")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--random-seed", type=int, default=42, metavar="N")
    return parser


def _settings(path: Path) -> AutoMLSettings:
    try:
        mapping = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not JSON: {error}") from None
    return settings_from_mapping(mapping, str(path))


def _read(path: Path) -> Any:
    import pandas as pd  # noqa: PLC0415

    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: not readable as parquet: {error}") from None


def _print_iteration(iteration: Iteration) -> None:
    print(json.dumps(iteration.progress(), allow_nan=False), flush=True)


def _write(path: Path, content: bytes) -> None:
    # a reader never sees half a file
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def _fail(error: Exception, code: int) -> int:
    print(" ".join(f"error: {error}".split()), file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
