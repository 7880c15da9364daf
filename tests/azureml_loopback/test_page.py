"""The page: who may see it, what it says of real runs, how it draws a graph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azureml_loopback.__main__ import page_address
from azureml_loopback.page import views
from azureml_loopback.page.layout import BOX_HEIGHT, BOX_WIDTH, lay_out

EVIL = "<img src=x onerror=alert(1)> & \"'`\u202e"


@pytest.fixture
def browser(loopback: Any) -> Iterator[httpx.Client]:
    """Keeps cookies, as a browser does."""
    with httpx.Client(base_url=f"http://127.0.0.1:{loopback.port}", trust_env=False) as client:
        yield client


@pytest.fixture
def opened(loopback: Any, browser: httpx.Client) -> httpx.Client:
    address = page_address(loopback.home, {"port": loopback.port})
    assert browser.get(address).status_code == 303
    return browser


def data(page: httpx.Client, path: str, **query: Any) -> Any:
    answer = page.get(f"/page/data/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


# who may see it


@pytest.mark.parametrize(
    "path",
    ["/", "/page/page.js", "/page/data/runs", "/page/data/models", "/?key=", f"/?key={'0' * 64}"],
)
def test_without_the_key_it_says_only_where_to_get_it(browser: httpx.Client, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 401
    assert answer.text.strip() == (
        "This page opens with a key: `python -m azureml_loopback status` prints its whole address."
    )
    assert not answer.cookies


def test_the_key_becomes_a_cookie_and_leaves_the_address(
    loopback: Any, browser: httpx.Client
) -> None:
    answer = browser.get(page_address(loopback.home, {"port": loopback.port}))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    page = browser.get("/")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["content-type"].startswith("text/html")


def test_the_key_makes_no_token(loopback: Any, opened: httpx.Client) -> None:
    (key,) = opened.cookies.values()
    assert opened.post(f"/msi/{key}/token", data={"resource": "x"}).status_code == 401
    assert opened.post("/loopback/clock", json={"seconds": 1}).status_code == 401
    with loopback.client(Authorization=f"Bearer {key}") as client:
        assert client.get("https://management.azure.com/subscriptions").status_code == 401


def test_the_cookie_counts_on_127_0_0_1_only(loopback: Any, opened: httpx.Client) -> None:
    (cookie,) = opened.cookies.items()
    with loopback.client(Cookie="=".join(cookie)) as client:
        assert client.get("https://management.azure.com/page/data/runs").status_code == 401


def test_the_pages_files_and_nothing_else(opened: httpx.Client) -> None:
    html = opened.get("/").text
    for name in re.findall(r'"/page/([\w.]+)"', html):
        assert opened.get(f"/page/{name}").status_code == 200, name
    for name in ("routes.py", "__init__.py", "%2e%2e%2fapp.py", "%2e%2e", "page.css%00"):
        assert opened.get(f"/page/{name}").status_code in {404, 501}, name


def test_nothing_becomes_markup_and_nothing_comes_from_elsewhere() -> None:
    folder = files("azureml_loopback.page")
    scripts = [file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".js")]
    assert len(scripts) > 3
    for text in [
        *scripts,
        folder.joinpath("index.html").read_text("utf-8"),
        folder.joinpath("page.css").read_text("utf-8"),
    ]:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
        )
        assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}


# what it says


@pytest.fixture(scope="module")
def run(workspace: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished run with metrics, files, a child, a model and a dataset, all named badly."""
    from azureml.core import Dataset, Experiment

    folder = tmp_path_factory.mktemp("files")
    run = Experiment(workspace, "page").start_logging(snapshot_directory=None, display_name=EVIL)
    run.tag(EVIL, EVIL)
    for value in (3, 2, 1):
        run.log("loss", value)
    run.log_row("rows", x=1, y=2.5)
    with run.child_run(name="child") as child:
        child.log("alpha", 0.5)
    (folder / "log.txt").write_bytes("äöü€\n".encode() * 3)
    (folder / "model.bin").write_bytes(b"<script>")
    run.upload_file("azureml-logs/70_driver_log.txt", str(folder / "log.txt"))
    run.upload_file("outputs/model.bin", str(folder / "model.bin"))
    run.complete()
    run.register_model("page-model", model_path="outputs/model.bin", tags={"kind": EVIL})
    run.register_model("page-model", model_path="outputs/model.bin")
    store = workspace.get_default_datastore()
    for content in (b"a\n1\n", b"a\n2\n"):
        (folder / "table.csv").write_bytes(content)
        name = f"page{len(list(folder.iterdir()))}{content[2:3].decode()}"
        Dataset.File.upload_directory(
            str(folder), (store, name), show_progress=False, overwrite=True
        )
        table = Dataset.Tabular.from_delimited_files((store, f"{name}/table.csv"))
        table.register(workspace, "page-data", create_new_version=True)
    return run


def test_runs_are_listed_by_experiment(opened: httpx.Client, run: Any) -> None:
    shown = data(opened, "runs", limit=500)
    (experiment,) = [one for one in shown["experiments"] if one["name"] == "page"]
    assert experiment["runs"] == 1  # the child is not a run of its own here
    (row,) = data(opened, "runs", experiment=experiment["id"])["runs"]
    assert (row["id"], row["name"], row["status"], row["mood"]) == (
        run.id,
        EVIL,
        "Completed",
        "done",
    )
    assert row["started"] < row["ended"]


def test_a_run_is_shown_with_all_that_it_left(opened: httpx.Client, run: Any) -> None:
    shown = data(opened, f"runs/{run.id}")
    assert shown["tags"] == {EVIL: EVIL}
    assert [child["name"].rpartition(">")[2] for child in shown["children"]] == ["child"]
    loss, rows = shown["metrics"]
    assert (loss["name"], loss["rows"], loss["count"]) == ("loss", [[3], [2], [1]], 3)
    assert sorted(zip(rows["columns"], rows["rows"][0], strict=True)) == [("x", 1), ("y", 2.5)]
    assert shown["logs"] == ["azureml-logs/70_driver_log.txt"]
    assert shown["files"] == ["outputs/model.bin"]
    assert shown["graph"] is None


def test_a_log_is_followed_from_where_it_was_read_to(opened: httpx.Client, run: Any) -> None:
    log = f"runs/{run.id}/log"
    name = "azureml-logs/70_driver_log.txt"
    whole = data(opened, log, name=name)
    assert (whole["text"], whole["start"], whole["end"]) == ("äöü€\n" * 3, 0, 30)
    assert data(opened, log, name=name, start=30)["text"] == ""
    assert data(opened, log, name=name, start=20) == {"text": "äöü€\n", "start": 20, "end": 30}
    assert opened.get(f"/page/data/{log}?name={name}&start=-1").status_code == 400
    assert opened.get(f"/page/data/{log}?name=../secret").status_code in {400, 404}


def test_a_file_is_saved_and_not_shown(opened: httpx.Client, run: Any) -> None:
    answer = opened.get(f"/page/data/runs/{run.id}/file", params={"name": "outputs/model.bin"})
    assert answer.content == b"<script>"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_what_has_not_changed_is_not_sent_again(opened: httpx.Client, run: Any) -> None:
    first = opened.get(f"/page/data/runs/{run.id}")
    tag = {"If-None-Match": first.headers["etag"]}
    again = opened.get(f"/page/data/runs/{run.id}", headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-loopback-time"] > first.headers["x-loopback-time"]


def test_datasets_and_models_have_their_versions(opened: httpx.Client, run: Any) -> None:
    (model,) = [one for one in data(opened, "models") if one["name"] == "page-model"]
    assert [version["version"] for version in model["versions"]] == ["2", "1"]
    assert model["versions"][1]["tags"] == {"kind": EVIL}
    assert model["versions"][0]["run"] == run.id
    (dataset,) = [one for one in data(opened, "datasets") if one["name"] == "page-data"]
    assert [version["version"] for version in dataset["versions"]] == ["2", "1"]
    assert dataset["type"].lower() == "tabular"


def test_a_pipelines_graph_shows_how_far_each_step_is(
    workspace: Any, opened: httpx.Client, tmp_path: Path
) -> None:
    from azureml.core import Experiment
    from azureml.core.compute import AmlCompute, ComputeTarget
    from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter
    from azureml.pipeline.steps import PythonScriptStep

    if "page" not in workspace.compute_targets:
        cluster = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=1)
        ComputeTarget.create(workspace, "page", cluster).wait_for_completion()
    (tmp_path / "step.py").write_text(
        "import os, sys\nos.makedirs(sys.argv[1])\nopen(sys.argv[1] + '/x', 'w').close()\n"
        "print('made'); sys.exit(int(sys.argv[2]))"
    )
    code = PipelineParameter("code", 0)
    first, second = PipelineData("first"), PipelineData("second")
    shared = {"script_name": "step.py", "source_directory": str(tmp_path), "compute_target": "page"}
    make = PythonScriptStep(name="make", arguments=[first, "0"], outputs=[first], **shared)
    fail = PythonScriptStep(
        name="fail", arguments=[second, code, first], inputs=[first], outputs=[second], **shared
    )
    pipeline = Pipeline(workspace, [make, fail])
    for value in (0, 3):
        run = Experiment(workspace, "page-graph").submit(
            pipeline, pipeline_parameters={"code": value}
        )
        run.wait_for_completion(show_output=False, raise_on_error=False)
    shown = data(opened, f"runs/{run.id}")
    boxes = {box["name"]: box for box in shown["graph"]["boxes"]}
    assert (boxes["make"]["status"], boxes["make"]["mood"]) == ("Reused", "reused")
    assert (boxes["fail"]["status"], boxes["fail"]["mood"]) == ("Failed", "failed")
    assert boxes["make"]["outputs"][0]["name"] == "first"
    (line,) = shown["graph"]["lines"]
    assert (line["from"], line["to"], line["label"]) == (
        boxes["make"]["id"],
        boxes["fail"]["id"],
        "first",
    )
    assert shown["parameters"] == {"code": "3"}
    step = data(opened, f"runs/{boxes['fail']['run']}")
    assert "made" in data(opened, f"runs/{step['id']}/log", name=step["logs"][0])["text"]
    (row,) = [one for one in data(opened, "runs")["runs"] if one["id"] == run.id]
    assert row["steps"] == {"reused": 1, "failed": 1}


# how it draws


def test_every_status_has_a_mood() -> None:
    from azureml_loopback.services.history import changes
    from azureml_loopback.services.pipelines import state

    assert {*changes.GOING_ON, *changes.TERMINAL, *state.ENDED} <= views.MOODS.keys()


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, str]]]:
    nodes = [str(index) for index in range(draw(st.integers(0, 12)))]
    pairs = list(combinations(nodes, 2))
    edges = draw(st.lists(st.sampled_from(pairs), max_size=20)) if pairs else []
    return draw(st.permutations(nodes)), edges


@given(graphs())
def test_boxes_do_not_overlap_and_lines_lead_down(
    graph: tuple[list[str], list[tuple[str, str]]],
) -> None:
    nodes, edges = graph
    picture = lay_out(nodes, edges)
    assert picture.boxes.keys() == set(nodes)
    for (x, y), (other_x, other_y) in combinations(picture.boxes.values(), 2):
        assert abs(x - other_x) >= BOX_WIDTH or abs(y - other_y) >= BOX_HEIGHT
    for x, y in picture.boxes.values():
        assert BOX_WIDTH / 2 <= x <= picture.width - BOX_WIDTH / 2
        assert BOX_HEIGHT / 2 <= y <= picture.height - BOX_HEIGHT / 2
    assert picture.lines.keys() == set(edges)
    for (source, target), points in picture.lines.items():
        assert all(upper[1] < lower[1] for upper, lower in pairwise(points))
        assert points[0] == pytest.approx(
            (picture.boxes[source][0], picture.boxes[source][1] + BOX_HEIGHT / 2)
        )
        assert points[-1] == pytest.approx(
            (picture.boxes[target][0], picture.boxes[target][1] - BOX_HEIGHT / 2)
        )
        for x, y in points[1:-1]:  # a line goes around the boxes that it passes
            assert all(
                abs(x - box_x) > BOX_WIDTH / 2 or abs(y - box_y) > BOX_HEIGHT / 2
                for box_x, box_y in picture.boxes.values()
            )


def test_a_chain_is_straight_and_a_cycle_is_drawn_all_the_same() -> None:
    chain = lay_out(["a", "b", "c"], [("a", "b"), ("b", "c")])
    assert len({x for x, _ in chain.boxes.values()}) == 1
    assert lay_out(["a", "b"], [("a", "b"), ("b", "a"), ("a", "a"), ("a", "nowhere")]).lines == {}
    assert lay_out([], []).boxes == {}


def test_the_sdks_link_of_a_run_leads_to_its_view(workspace: Any, browser: httpx.Client) -> None:
    from azureml.core import Experiment

    run = Experiment(workspace, "linked").start_logging(snapshot_directory=None)
    run.complete()
    link = run.get_portal_url()
    assert link.startswith(f"{browser.base_url}".rstrip("/"))
    led = browser.get(link)
    assert (led.status_code, led.headers["location"]) == (303, f"/#/runs/{run.id}")
