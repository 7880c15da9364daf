"""The folder that a step was uploaded with, brought back by the id of its snapshot."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from azureml_deploy.errors import ServiceError
from azureml_deploy.service_errors import Patience


def fetch_snapshot(run: Any, snapshot_id: str, cache: Path, patience: Patience) -> Path:
    """Return a folder with a snapshot's files; a snapshot never changes, so it is brought once.

    Args:
        run: Any of the SDK's runs of the workspace.
        snapshot_id: Which.
        cache: Folder for what is brought; the files there are not to be changed.
        patience: With the service.

    Raises:
        ServiceError: There is no such snapshot, or the service failed.
    """
    target = cache / "snapshots" / snapshot_id
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".fetching-", dir=target.parent))
    try:
        archive = patience.ask(
            f"Fetching snapshot {snapshot_id}", run.restore_snapshot, snapshot_id, str(draft)
        )
        try:
            with zipfile.ZipFile(archive) as files:
                files.extractall(draft / "files")
        except zipfile.BadZipFile:
            raise ServiceError(f"Snapshot {snapshot_id} came damaged; try again") from None
        (draft / "files").replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder by their path, without what Python leaves there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
