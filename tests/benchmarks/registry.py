"""mlflow against mlflow-skinny as the registry: what each installs, and how long it takes to import.

    python tests/benchmarks/registry.py [--runs 5]

Each is installed, compiled, beside what the project has anyway (pandas, scikit-learn).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import side_by_side
from uv import find_uv_bin

BASE = ("pandas", "scikit-learn")
CANDIDATES = {
    "pandas and scikit-learn only": (),
    "mlflow": ("mlflow~=3.17.0",),
    "mlflow-skinny, sqlalchemy, alembic": (
        "mlflow-skinny~=3.17.0",
        "sqlalchemy~=2.0",
        "alembic~=1.16",
    ),
}
IMPORT = """
import pandas, sklearn
try:
    import mlflow
except ModuleNotFoundError:
    pass
"""
REGISTER = """
import sys
from mlflow import MlflowClient
client = MlflowClient(registry_uri=sys.argv[1], tracking_uri=sys.argv[1])
client.create_registered_model("M")
client.create_model_version("M", "/tmp/source")
"""


def install(folder: Path, packages: tuple[str, ...]) -> Path:
    subprocess.run([find_uv_bin(), "venv", "-q", "--python", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    command = [find_uv_bin(), "pip", "install", "-q", "--compile-bytecode", "--python", python]
    subprocess.run([*command, *BASE, *packages], check=True)
    return python


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pythons = {
            each: install(folder / str(number), packages)
            for number, (each, packages) in enumerate(CANDIDATES.items())
        }
        imports = {each: [str(python), "-c", IMPORT] for each, python in pythons.items()}
        figures = side_by_side(imports, runs=runs, folder=folder)
        none = next(iter(pythons.values())).parents[1]
        print("| | adds MB | adds s to import | registers on SQLite |\n|---|---|---|---|")
        base = next(iter(figures.values())).seconds
        for each, python in list(pythons.items())[1:]:
            uri = f"sqlite:///{folder / f'{python.parents[1].name}.db'}"
            works = subprocess.run(
                [python, "-c", REGISTER, uri], capture_output=True, check=False
            ).returncode
            size = megabytes(python.parents[1]) - megabytes(none)
            print(f"| {each} | {size:.0f} | {figures[each].seconds - base:.1f} | "
                  f"{'no' if works else 'yes'} |")  # fmt: skip


if __name__ == "__main__":
    main()
