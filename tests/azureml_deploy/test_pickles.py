"""Pickles looked into without running them, and loaded with a warning."""

from __future__ import annotations

import io
import logging
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from azureml_deploy.pickles import (
    MissingPackagesError,
    load_pickle,
    missing_modules,
    modules_of,
    needs_automl_runtime,
)

RUNTIME = "azureml.training.tabular.models.voting_ensemble"


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.write_text, (self.path, "sprung")


def model() -> Any:
    rows = np.arange(20).reshape(10, 2)
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, [0, 1] * 5)


def pickle_of_runtime(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a pickle of a class of AutoML's runtime, which is not installed here."""
    module: Any = types.ModuleType(RUNTIME)
    module.Ensemble = type("Ensemble", (), {"__module__": RUNTIME})
    monkeypatch.setitem(sys.modules, RUNTIME, module)
    path.write_bytes(pickle.dumps(module.Ensemble()))
    monkeypatch.delitem(sys.modules, RUNTIME)
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_modules_are_those_that_loading_imports(protocol: int, tmp_path: Path) -> None:
    imported: set[str] = set()

    class Watched(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            imported.add(module)
            return super().find_class(module, name)

    data = pickle.dumps(model(), protocol)
    Watched(io.BytesIO(data)).load()
    (tmp_path / "model.pkl").write_bytes(data)
    today = {"__builtin__": "builtins", "copy_reg": "copyreg"}
    assert modules_of(tmp_path / "model.pkl") == {today.get(name, name) for name in imported}
    assert missing_modules(tmp_path / "model.pkl") == ()


def test_looking_into_a_pickle_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "trap.pkl").write_bytes(pickle.dumps(Trap(tmp_path / "sprung.txt")))
    assert "pathlib" in "".join(modules_of(tmp_path / "trap.pkl"))
    assert not (tmp_path / "sprung.txt").exists()
    pickle.loads((tmp_path / "trap.pkl").read_bytes())
    assert (tmp_path / "sprung.txt").exists()


def test_loading_warns_and_names_the_source(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"a": 1}))
    with caplog.at_level(logging.WARNING):
        assert load_pickle(tmp_path / "model.pkl", "run 1 of workspace w") == {"a": 1}
    assert "runs its maker's code; it comes from run 1 of workspace w" in caplog.text


def test_automls_runtime_is_asked_for_in_an_environment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pickle_of_runtime(tmp_path / "model.pkl", monkeypatch)
    assert missing_modules(path) == (RUNTIME,)
    assert needs_automl_runtime(missing_modules(path))
    with pytest.raises(MissingPackagesError) as caught:
        load_pickle(path, "here")
    message = str(caught.value)
    assert "azureml-train-automl-runtime, whose pins would break this environment" in message
    assert "kedro azureml results RUN --isolated" in message
    assert "pip install" not in message


def test_what_is_no_pickle_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\xff\xfe not a pickle")
    with pytest.raises(pickle.UnpicklingError, match=r"model\.pkl: is no pickle"):
        modules_of(tmp_path / "model.pkl")
