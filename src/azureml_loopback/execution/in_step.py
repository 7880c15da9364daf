"""What runs around a step's script, in the step's own process, as on Azure's compute.

Started by path with the step's own Python, so it needs the standard library only. The SDK's context
managers (``azureml/data/context_managers.py``) are entered where datasets are to be mounted,
downloaded or written. There is no FUSE here: a mount is a download before or an upload after.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

PLACEHOLDER = re.compile(
    r"\$(AZUREML_DATAREFERENCE_\w+)|DatasetConsumptionConfig:(\w+)|DatasetOutputConfig:(\w+)"
)
"""What stands in the arguments for a path, or for a dataset's id."""


def main() -> int:
    """Run the task in the file that the first argument names."""
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        with ExitStack() as stack:
            if task["data"] or task["outputData"]:
                stack.enter_context(_datasets(task))
            arguments = [substituted(argument, os.environ) for argument in task["arguments"]]
            return _run(task, arguments)
    except SystemExit as end:
        if isinstance(end.code, str):
            _say_error(task, end.code)
        raise
    except BaseException as error:
        lines = traceback.format_exception(type(error), error, _own_frames(error.__traceback__))
        sys.stderr.write("".join(lines))
        _say_error(task, traceback.format_exception_only(type(error), error)[-1].strip())
        return 1


def substituted(argument: str, values: Mapping[str, str]) -> str:
    """Put paths and dataset ids in the place of the names that stand for them."""

    def value(match: re.Match[str]) -> str:
        return values.get(next(filter(None, match.groups())), match.group())

    return PLACEHOLDER.sub(value, argument)


def _run(task: dict[str, Any], arguments: list[str]) -> int:
    if task["command"]:
        command = " ".join([substituted(task["command"], os.environ), *arguments])
        return subprocess.run(["/bin/sh", "-c", command], check=False).returncode
    script = task["script"]
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).resolve().parent)
    runpy.run_path(script, run_name="__main__")
    return 0


def _datasets(task: dict[str, Any]) -> Any:
    from azureml.data.context_managers import DatasetContextManager  # noqa: PLC0415  (4 s)

    # the SDK's upload works only with the switch that names its older way; see _upload_to_datastore
    os.environ["DATASET_RSLEX_UPLOAD"] = "false"
    manager = DatasetContextManager({**task["data"], **task["outputData"]})
    manager._mount_readonly = _download_instead
    return manager


def _download_instead(name: str, dataset: Any, target: str) -> bool:
    """Do what mounting does, but by a copy; say whether the dataset is a single file."""
    print(f"The mount of '{name}' is emulated by a download to {target}")
    files = dataset.download(target_path=target, overwrite=True)
    paths = dataset._dataflow._to_yaml_dict()["paths"]
    named = next(iter(paths[0].values())) if len(paths) == 1 else "*"
    return len(files) == 1 and "*" not in named and named.endswith(Path(files[0]).name)


def _own_frames(frame: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the script on: what is before is this file and runpy."""
    start = frame
    while start and start.tb_frame.f_globals.get("__name__") in {__name__, "runpy"}:
        start = start.tb_next
    while start and start.tb_frame.f_code.co_filename.startswith("<frozen runpy>"):
        start = start.tb_next
    return start or frame


def _say_error(task: dict[str, Any], message: str) -> None:
    Path(task["errorFile"]).write_text(message, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
