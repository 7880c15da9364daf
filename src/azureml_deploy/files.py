"""Writing files, complete or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from azureml_deploy.errors import UsageError


def write_text(path: Path, text: str) -> None:
    """Write to a temporary name beside the file, and move it into place.

    Raises:
        UsageError: The file cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(draft).chmod(0o644)
            Path(draft).replace(path)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from None
