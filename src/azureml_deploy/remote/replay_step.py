"""Run a step's script on this machine as the compute does; what it would write is recorded.

Started with the step's own Python, in the step's folder. The file that the argument names says what
to run: script, arguments, where to record, whether writes are sent, whether to stop in a debugger.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import pdb
import runpy
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

WRITES: Mapping[str, tuple[str, ...]] = {
    "azureml.core.run:Run": (
        *("log", "log_list", "log_row", "log_table", "log_image", "log_confusion_matrix"),
        *("log_accuracy_table", "log_residuals", "log_predictions"),
        *("upload_file", "upload_files", "upload_folder", "take_snapshot"),
        *("tag", "set_tags", "remove_tags", "add_properties"),
        *("start", "complete", "fail", "cancel", "flush", "clean"),
        *("child_run", "create_children", "submit_child", "register_model"),
        *("_update_dataset_lineage", "_update_output_dataset_lineage"),
        *("display_name", "description"),
    ),
    "azureml.core.model:Model": (
        *("register", "add_tags", "remove_tags", "add_properties", "add_dataset_references"),
        *("update", "update_tags_properties", "delete", "deploy", "package", "profile"),
    ),
    "azureml.data.abstract_dataset:AbstractDataset": (
        *("register", "unregister_all_versions", "add_tags", "remove_tags", "update"),
    ),
    "azureml.data.azure_storage_datastore:AzureBlobDatastore": ("upload", "upload_files"),
    "azureml.data.azure_storage_datastore:AzureFileDatastore": ("upload", "upload_files"),
    "azureml.data.dataset_factory:FileDatasetFactory": ("upload_directory",),
    "azureml.data.dataset_factory:TabularDatasetFactory": (
        *("register_pandas_dataframe", "register_spark_dataframe", "register_dask_dataframe"),
    ),
}
"""Class -> its methods and properties that write to a run or a workspace (azureml-core 1.61)."""

NAMES = ("name", "model_name")


class Recorded:
    """Stands for what a recorded call would have returned; what is asked of it is recorded too."""

    def __init__(self, record: Recorder, what: str, name: str) -> None:
        """Take where it comes from, and the name that was given."""
        self._record, self._what = record, what
        self.name = self.id = name
        self.version = "(recorded, not registered)"

    def __getattr__(self, method: str) -> Callable[..., Recorded]:
        """Return a method that records."""
        if method.startswith("_"):
            raise AttributeError(method)
        return functools.partial(self._record, f"{self._what}.{method}")


class Recorder:
    """Writes calls to a file, one JSON object a line."""

    def __init__(self, file: Path) -> None:
        """Name the file."""
        self._file = file

    def __call__(self, what: str, *arguments: Any, **options: Any) -> Recorded:
        """Record a call in the place of doing it."""
        line = {"call": what, "arguments": arguments, "options": options}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str, ensure_ascii=False) + "\n")
        given = [options[name] for name in NAMES if name in options]
        return Recorded(self, what, str((given or [what])[0]))


def main(task_file: str) -> int:
    """Run the task; return the script's exit status."""
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    if not task["send"] and importlib.util.find_spec("azureml") is not None:
        record_writes(Recorder(Path(task["record"])))
    sys.argv = [task["script"], *task["arguments"]]
    sys.path[0] = str(Path(task["script"]).resolve().parent)
    try:
        runpy.run_path(task["script"], run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    except Exception as error:
        frames = own_frames(error.__traceback__)
        traceback.print_exception(type(error), error, frames)
        if task["pdb"]:
            debug(error, Path.cwd().resolve())
        return 1
    finally:
        if task["send"]:
            flush()
    return 0


def flush() -> None:
    """Send what was logged and is still waiting to be."""
    runs = sys.modules.get("azureml._run_impl.run_base")
    if runs:
        runs._RunBase._kill(timeout=60)


def record_writes(record: Recorder) -> None:
    """Put recording in the place of every method that writes."""
    for path, methods in WRITES.items():
        module, _, name = path.partition(":")
        try:
            owner = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue  # of another version, or in a package that is not here
        for method in methods:
            if method in vars(owner):
                setattr(owner, method, recording(record, f"{name}.{method}", vars(owner)[method]))


def recording(record: Recorder, what: str, method: Any) -> Any:
    """Return what records a call: a function of the same kind as the one that it stands for."""
    function = functools.partial(record, what)
    if isinstance(method, staticmethod):
        return staticmethod(function)

    def without_self(_: Any, *arguments: Any, **options: Any) -> Any:
        return function(*arguments, **options)

    if isinstance(method, property):
        return property(method.fget, without_self, method.fdel, method.__doc__)
    return classmethod(without_self) if isinstance(method, classmethod) else without_self


def own_frames(frame: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the script on: what is before is this file and runpy."""
    start = frame
    while start and (
        start.tb_frame.f_code.co_filename in {__file__, "<frozen runpy>"}
        or start.tb_frame.f_globals.get("__name__") == "runpy"
    ):
        start = start.tb_next
    return start or frame


def debug(error: BaseException, folder: Path) -> None:
    """Stop where the first cause of an error was raised, in the step's own code."""
    cause = error
    while cause.__cause__:
        cause = cause.__cause__
    files = [Path(f.f_code.co_filename) for f, _ in traceback.walk_tb(cause.__traceback__)]
    mine = [index for index, file in enumerate(files) if file.resolve().is_relative_to(folder)]
    debugger = pdb.Pdb()
    if mine:
        debugger.rcLines.extend(["up"] * (len(files) - 1 - mine[-1]))
    print(f"Stopped at {type(cause).__name__}: {cause}")
    debugger.reset()
    debugger.interaction(None, cause.__traceback__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
