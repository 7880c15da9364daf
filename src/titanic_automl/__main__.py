"""``python -m titanic_automl``: the project's ``kedro run`` where it is installed as a package."""

from pathlib import Path

from kedro.framework.project import configure_project

from titanic_automl.cli import run

if __name__ == "__main__":
    configure_project(Path(__file__).parent.name)
    run()
