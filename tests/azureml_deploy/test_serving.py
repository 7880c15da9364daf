"""`kedro azureml serve`: a foreign project's model and the Titanic's, over HTTP and as an endpoint."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from foreign_project import AZUREML, edit, kedro, run
from loopback_service import Loopback
from serving_samples import Served, serving, write_orchard
from uv import find_uv_bin

from azureml_deploy.config_file import parse_config
from azureml_deploy.errors import ConfigError, UsageError
from azureml_deploy.service_errors import Patience
from azureml_deploy.serving.models import find_model, read_wanted

APPLES = [{"name": "Gala", "weight": 120}, {"name": "Cox", "weight": 90}]
GRADES = [
    {"name": "Gala", "heavy": True, "title": "Hello Gala"},
    {"name": "Cox", "heavy": False, "title": "Hello Cox"},
]

OUTSIDE = dict(os.environ)
"""The environment before the loopback takes this process's SDK, and its every request, to itself."""

CLOUDS = (
    "champion: {type: json.JSONDataset, filepath: data/champion.json}",
    "champion: {type: azureml_deploy.datasets.ModelFolderDataset, model_path: data/model}",
)
"""A champion of the catalog, and one in its place that AutoML trained in Azure."""


@pytest.fixture(scope="module")
def orchard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_orchard(tmp_path_factory.mktemp("serving") / "orchard")


@pytest.fixture(scope="module")
def titanic(finished: Path) -> Iterator[Served]:
    with serving(finished) as served:
        yield served


@pytest.fixture(scope="module")
def passengers_to_score(finished: Path) -> list[dict[str, Any]]:
    table = pd.read_csv(
        finished / "data/01_raw/new_passengers.csv",
        dtype={"Ticket": str},
        keep_default_na=False,
        na_values=[""],
    )
    records: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return records


def test_a_foreign_projects_model_answers(orchard: Path) -> None:
    with serving(orchard) as served, served.client() as client:
        assert "Serving champion version 3 of 'champion' of the catalog" in served.said
        assert client.post("/score", json={"data": APPLES}).json() == {"result": GRADES}
        assert client.post("/score", json=APPLES).json() == {"result": GRADES}
        refused = client.post("/score", json=[{"name": "Gala"}])
        assert refused.status_code == 422
        assert refused.json()["error"]["violations"][0]["must"] == "no weight"
        failed = client.post("/score", json=[{"name": "Gala", "weight": "much"}])
        assert failed.status_code == 500
        assert "TypeError" in failed.json()["error"]["message"]
        assert client.post("/score", json=APPLES).json() == {"result": GRADES}
        assert client.post("/score", content=b" " * (16 * 1024 * 1024 + 1)).status_code == 413
        assert client.get("/score").status_code == 405
        assert client.get("/").text == "Healthy"
        assert client.get("/health").json()["model"]["version"] == "3"
        paths = client.get("/swagger.json").json()["paths"]
        assert set(paths) == {"/score", "/health"}
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(20) == 0


def test_what_cannot_be_served_is_one_message(orchard: Path, tmp_path: Path) -> None:
    project = shutil.copytree(orchard, tmp_path / "orchard")
    config = (project / "conf/base/azureml.yml").read_text()
    catalog = (project / "conf/base/catalog.yml").read_text()
    edit(project, "data/model/model.pkl", "cazureml.training.tabular.models\nEnsemble\n.")
    for name, text, message in (
        ("conf/base/azureml.yml", AZUREML, "azureml.yml: has no serving"),
        ("conf/base/azureml.yml", config.replace(": grades", ": limit"), "'limit' is no dataset that the scoring pipeline makes"),
        ("conf/base/azureml.yml", config.replace("[champion]", "[]"), "must read one dataset of roles.registry"),
        ("conf/base/catalog.yml", catalog.replace("pandas.", "polars."), "a request becomes a pandas table"),
        ("conf/base/catalog.yml", catalog.replace(*CLOUDS), "azureml.training.tabular.models of azureml-train-automl-runtime"),
        ("data/champion.json", "null", "There is no champion to serve"),
        ("data/champion.json", "{", "Expecting property name"),
    ):  # fmt: skip
        before = (project / name).read_text()
        edit(project, name, text)
        done = kedro(project, "azureml", "serve", "--port", "0")
        assert (done.returncode, done.stdout) == (2, ""), message
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        edit(project, name, before)


def test_the_section_is_checked(values: dict[str, Any]) -> None:
    for section, message in (
        ({"pipeline": "a", "request": "b"}, "serving.response: is missing"),
        ({"pipeline": "a", "request": "b", "response": "c", "row_kay": "d"}, "did you mean 'row_key'?"),
        ({"pipeline": "a", "request": "b", "response": "c", "environment": "on"}, "did you mean 'one'?"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=re.escape(message)):
            parse_config({**values, "serving": section})


def test_a_port_that_is_taken_is_named(orchard: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = kedro(orchard, "azureml", "serve", "--port", port)
    assert done.returncode == 2
    assert f"Port {port} of 127.0.0.1 cannot be had (Address already in use)" in done.stderr


def test_the_titanics_answers_are_those_of_kedro_run(
    titanic: Served, passengers_to_score: list[dict[str, Any]], finished: Path, tmp_path: Path
) -> None:
    project = shutil.copytree(finished, tmp_path / "copy")
    done = kedro(project, "run", "--pipelines", "scoring")
    assert done.returncode == 0, done.stderr
    expected = pd.read_csv(project / "data/07_model_output/predictions.csv")
    with titanic.client() as client:
        answer = client.post("/score", json={"data": passengers_to_score[::-1]}).json()["result"]
    assert [row["PassengerId"] for row in answer] == list(expected["PassengerId"][::-1])
    pd.testing.assert_frame_equal(pd.DataFrame(answer[::-1]), expected, check_exact=True)


def test_bad_rows_are_named_and_nothing_else_breaks(
    titanic: Served, passengers_to_score: list[dict[str, Any]]
) -> None:
    one, two, *_ = passengers_to_score
    bad = [{**one, "Sex": "femail"}, {**two, "Age": "two", "Fare": 1e9}]
    with titanic.client() as client, ThreadPoolExecutor(8) as pool:
        alone = {row["PassengerId"]: client.post("/score", json=[row]).json() for row in (one, two)}
        bodies = [(bad, [one], [two])[n % 3] for n in range(60)]
        answers = list(pool.map(lambda body: client.post("/score", json=body), bodies))
    for body, answer in zip(bodies, answers, strict=True):
        if body is bad:
            assert answer.status_code == 422
            assert answer.json()["error"]["violations"] == [
                {"column": "Sex", "row": 1, "value": "femail", "must": "one of male, female, unknown"},
                {"column": "Age", "row": 2, "value": "two", "must": "a number"},
                {"column": "Fare", "row": 2, "value": "1000000000", "must": "from 0 to 10000"},
            ]  # fmt: skip
        else:
            assert answer.json() == alone[body[0]["PassengerId"]]


@pytest.fixture(scope="module")
def model_folder(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The champion as Azure ML mounts it: NAME/VERSION/FOLDER."""
    (source,) = (finished / "data/06_models/registry/TitanicSurvivalInitial").iterdir()
    target = tmp_path_factory.mktemp("models") / "TitanicSurvivalInitial" / "1"
    shutil.copytree(source, target / "model-x")
    return target


@pytest.fixture(scope="module")
def entry(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `Model.deploy` takes."""
    folder = tmp_path_factory.mktemp("entry")
    done = kedro(finished, "azureml", "serve", "--to", str(folder))
    assert done.returncode == 0, done.stderr
    (written,) = folder.iterdir()
    assert f"source_directory='{written}'" in done.stdout
    assert "environment 'titanic-serving'" in done.stdout
    return written


CALL = """
import json, sys
sys.path.insert(0, sys.argv[1])
import score
score.init()
print(json.dumps([score.run(body) for body in json.load(sys.stdin)]))
"""


def test_the_entry_script_travels_alone(
    entry: Path,
    model_folder: Path,
    titanic: Served,
    passengers_to_score: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    bodies = [json.dumps({"data": passengers_to_score}), "{", json.dumps([{"Sex": "x"}])]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CALL, str(entry)],
        input=json.dumps(bodies),
        env={**os.environ, "AZUREML_MODEL_DIR": str(model_folder)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    with titanic.client() as client:
        assert answers == [client.post("/score", content=body).json() for body in bodies]
    assert not list(entry.rglob("*.csv"))
    assert (entry / "src/titanic_automl/pipelines/scoring/nodes.py").is_file()
    assert not (entry / "src/titanic_automl/pipelines/training").exists()


INFERENCE = """
import json, sys
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from azureml.core import Environment
from azureml.core.webservice import LocalWebservice
from azureml_deploy.project import Selection
from azureml_deploy.serving.bundle import inference_config
from azureml_deploy.serving.opening import open_serving
opened = open_serving(bootstrap_project(Path.cwd()), Selection())
config = inference_config(opened, Path(sys.argv[1]))
config.validate_configuration()
packages = config.environment.python.conda_dependencies.serialize_to_string()
print(json.dumps({
    "script": config.entry_script,
    "source": config.source_directory,
    "files": sorted(p.name for p in Path(config.source_directory).iterdir()),
    "defaults": "azureml-defaults" in packages,
    "serialised": Environment._serialize_to_dict(config.environment)["name"],
    "port": LocalWebservice.deploy_configuration(port=6789).port,
}))
"""


def test_the_sdk_takes_it_as_an_inference_configuration(finished: Path, tmp_path: Path) -> None:
    pytest.importorskip("azureml.core", reason="needs the azureml extra")
    done = run(finished, "-W", "ignore", "-c", INFERENCE, str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["script"] == "score.py"
    assert {"score.py", "scorer.py", "step.json", "serving.json"} <= set(found["files"])
    assert found["defaults"] is True
    assert found["serialised"] == "titanic-serving"
    assert found["port"] == 6789


def test_an_endpoint_needs_all_from_its_model(orchard: Path, tmp_path: Path) -> None:
    project = shutil.copytree(orchard, tmp_path / "orchard")
    pipelines = (project / "src/orchard/pipeline_registry.py").read_text()
    to = ("azureml", "serve", "--to", str(tmp_path / "out"))
    for old, new, message in (
        ('"params:greeting"', '"titles"', "reads titles, which the registered model does not bring"),
        ("node(unpack,", "node(lambda c: unpack(c),", "node 'unpack': "),
    ):  # fmt: skip
        edit(project, "src/orchard/pipeline_registry.py", pipelines.replace(old, new))
        done = kedro(project, *to)
        assert done.returncode == 2
        assert message in done.stderr
    assert not (tmp_path / "out").exists()
    edit(project, "src/orchard/pipeline_registry.py", pipelines)
    done = kedro(project, *to)
    assert done.returncode == 0, done.stderr


SERVER = (
    "azureml-inference-server-http==1.5.1",
    "kedro~=1.7.0",
    "kedro-datasets[json-jsondataset,pandas-csvdataset]~=9.6.0",
    "pandas~=3.1.0; python_version >= '3.11'",
    "pandas~=2.3.0; python_version < '3.11'",
    "omegaconf<2.4",
)


@pytest.fixture(scope="module")
def azures_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with Azure's own inference server, which pins other versions."""
    folder = tmp_path_factory.mktemp("server")
    uv = find_uv_bin()
    python = folder / "bin" / "python"
    for command in (
        ["venv", "-q", "--python", sys.executable, folder],
        ["pip", "install", "-q", "--python", python, *SERVER],
    ):
        subprocess.run([uv, *command], env=OUTSIDE, check=True)
    return python


def test_azures_own_server_runs_the_entry_script(
    orchard: Path, azures_server: Path, tmp_path: Path
) -> None:
    assert kedro(orchard, "azureml", "serve", "--to", str(tmp_path / "entry")).returncode == 0
    (entry,) = (tmp_path / "entry").iterdir()
    model = tmp_path / "azureml-models" / "apples" / "3" / "model-x"
    edit(model, "heavy.json", "100")
    (model / "model.pkl").write_bytes(pickle.dumps(None))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [azures_server, "-m", "azureml_inference_server_http"]
    options = ["--entry_script", entry / "score.py", "--port", str(port)]
    log = tmp_path / "server.log"
    with log.open("wb") as out, httpx.Client(trust_env=False, timeout=30) as client:
        environment = {**os.environ, "AZUREML_MODEL_DIR": str(model.parent)}
        process = subprocess.Popen([*command, *options], env=environment, stdout=out, stderr=out)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(client, address, log)
            answered = client.post(f"{address}/score", json={"data": APPLES})
            refused = client.post(f"{address}/score", json=[{"name": "Gala"}])
        finally:
            process.terminate()
            process.wait(20)
    assert answered.json() == {"result": GRADES}
    assert refused.status_code == 422
    assert refused.json()["error"]["violations"][0]["must"] == "no weight"


def wait_for(client: httpx.Client, address: str, log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            assert client.get(address).text == "Healthy"
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(log.read_text())


@pytest.fixture(scope="module")
def registered(workspace: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of the workspace with three versions, of which the second is the champion."""
    from azureml.core.model import Model

    folder = tmp_path_factory.mktemp("register")
    (folder / "model.pkl").write_bytes(pickle.dumps(None))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)  # the SDK refuses a path outside the working directory
        for heavy in (50, 100, 150):
            edit(folder, "heavy.json", str(heavy))
            tags = {"champion": "true"} if heavy == 100 else {}
            Model.register(workspace, folder.name, "served-apples", tags=tags)
        Model.register(workspace, folder.name, "lonely-apples")
    return "served-apples"


def test_the_workspaces_models_are_served_by_name(
    orchard: Path, loopback: Loopback, registered: str
) -> None:
    for model, version, heavy in (
        (registered, 2, [True, False]),
        (f"{registered}:3", 3, [False, False]),
    ):
        with serving(orchard, model, "--loopback", **loopback.variables) as served:
            assert f"Serving {registered} version {version} of workspace loopback" in served.said
            with served.client() as client:
                rows = client.post("/score", json=APPLES).json()["result"]
            served.process.terminate()
            assert served.process.stderr is not None
            assert f"it comes from model {registered} version {version} of workspace" in " ".join(
                served.process.stderr.read().split()
            )
        assert [row["heavy"] for row in rows] == heavy


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("served-aples", "has no model 'served-aples'; did you mean 'served-apples'?"),
        ("served-apples:9", "has no version 9 (it has: served-apples:3, served-apples:2, served-apples:1)"),
        ("lonely-apples", "has no champion (no version has the tag champion); name a version: lonely-apples:1"),
    ],
)  # fmt: skip
def test_a_model_that_is_not_there_is_named(
    model: str, message: str, workspace: Any, registered: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        find_model(workspace, read_wanted(model), Patience(0))


@pytest.mark.parametrize("text", ["", ":1", "a:", "a:b", "a:1:2"])
def test_what_names_no_model_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write NAME, NAME:VERSION or champion"):
        read_wanted(text)
