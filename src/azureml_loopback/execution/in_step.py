"""What runs around a step's script, in the step's own process, as on Azure's compute.

Started by path with the step's own Python, so it needs the standard library only. The SDK's context
managers (``azureml/data/context_managers.py``) are entered where datasets are to be mounted,
downloaded or written. There is no FUSE here: a mount is a download before or an upload after.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from fnmatch import fnmatch
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
            stack.callback(_flush)
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
        words = [substituted(task["command"], os.environ), *map(_word, arguments)]
        command = " ".join(words)
        return subprocess.run(["/bin/sh", "-c", command], check=False).returncode
    script = task["script"]
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).resolve().parent)
    runpy.run_path(script, run_name="__main__")
    return 0


def _word(argument: str) -> str:
    """Return an argument as the shell takes it: operators and variables work, spaces stay within.

    The SDK's CommandStep splits the first item of its command as a shell would, and drops the
    quotes; a later item that begins with an operator, such as ``&& ls -l``, is shell too.
    """
    is_shell = re.fullmatch(r"[^\s'\"()\\`]+|(&&|\|\|?|;|>>?)\s.*", argument, re.DOTALL)
    return argument if is_shell else shlex.quote(argument)


def _flush() -> None:
    """Send what the script logged; without it what was logged last is lost with the process."""
    runs = sys.modules.get("azureml._run_impl.run_base")
    if runs:
        runs._RunBase._kill(timeout=300)
    rslex = sys.modules.get("azureml.dataprep.rslex")
    if rslex:  # its farewell is telemetry, which it would try to send for 3 s
        atexit.unregister(rslex.release_environment)


def _datasets(task: dict[str, Any]) -> Any:
    from azureml.data import context_managers  # noqa: PLC0415  (4 s)

    # the SDK's own does nothing unless told to be the older one, and that one calls rslex wrongly
    context_managers._upload_to_datastore = _upload
    manager = context_managers.DatasetContextManager({**task["data"], **task["outputData"]})
    manager._mount_readonly = _download_instead
    return manager


def _upload(
    source: str, destination: str, patterns: list[str] | None, overwrite: bool, is_folder: bool
) -> None:
    """Write the files below a folder to an address, as `context_managers` has it done."""
    from azureml.dataprep import rslex  # noqa: PLC0415
    from azureml.dataprep.api._rslex_executor import ensure_rslex_environment  # noqa: PLC0415

    ensure_rslex_environment()
    exists = rslex.PyIfDestinationExists
    copier = rslex.Copier(
        rslex.PyLocationInfo.from_uri(destination),
        source,
        exists.MERGE_WITH_OVERWRITE if overwrite else exists.FAIL_ON_FILE_CONFLICT,
    )
    files = [path for path in sorted(Path(source).rglob("*")) if path.is_file()]
    wanted = [
        rslex.StreamInfo("Local", str(path), {})
        for path in files
        if not patterns or any(fnmatch(str(path), pattern) for pattern in patterns)
    ]
    print(f"Uploading {len(wanted)} of {len(files)} files from {source} to {destination}")
    if wanted:
        copier.copy_stream_infos(wanted, "", False, True)


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
    while start and start.tb_frame.f_code.co_filename in {
        __file__,
        "<frozen runpy>",
        runpy.__file__,
    }:
        start = start.tb_next
    return start


def _say_error(task: dict[str, Any], message: str) -> None:
    Path(task["errorFile"]).write_text(message, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
