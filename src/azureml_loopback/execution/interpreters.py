"""Finds a Python of a given version on this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

_PROBE = "import platform, sys, venv; print(platform.python_version(), sys.executable)"
_NAME = re.compile(r"python3\.\d+")
_MINOR = re.compile(r"3\.\d+")


def find_python(specifier: str) -> tuple[str, Path] | None:
    """Return version and path of the first Python that fits; nothing if none does.

    Args:
        specifier: As in PEP 440, such as ``==3.10.*``.
    """
    wanted, named = SpecifierSet(specifier), {f"python{v}" for v in _MINOR.findall(specifier)}
    candidates = sorted(_candidates(), key=lambda path: path.name not in named)
    running = filter(None, map(_probe, candidates))
    return next((found for found in running if wanted.contains(found[0])), None)


def versions() -> list[str]:
    """Return the versions of all Pythons that run here, the newest first."""
    running = filter(None, map(_probe, _candidates()))
    return sorted({version for version, _ in running}, key=Version, reverse=True)


def _candidates() -> Iterator[Path]:
    """Yield what may be a Python: one on the path may be a shim that does not run."""
    yield Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    for folder in map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep)):
        yield from _named(folder)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for installed in (pyenv / "versions", Path.home() / ".local" / "share" / "uv" / "python"):
        for folder in sorted(installed.glob("*/bin")):
            yield from _named(folder)
    for folder in (Path("/usr/local/bin"), Path("/usr/bin")):
        yield from _named(folder)


def _named(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(path for path in folder.glob("python3.*") if _NAME.fullmatch(path.name))


@cache
def _probe(candidate: Path) -> tuple[str, Path] | None:
    """Return a Python's version and its own path; nothing if it does not run."""
    command = [str(candidate), "-I", "-c", _PROBE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        version, executable = done.stdout.strip().split(" ", 1)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return version, Path(executable)
