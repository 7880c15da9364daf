"""The page over HTTP: asked of 127.0.0.1 directly, with the key that ``status`` prints.

It only shows. The key becomes a cookie that scripts cannot read and other sites cannot send.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Callable
from functools import wraps
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from azureml_loopback.errors import BadRequest, NotFound
from azureml_loopback.page import views
from azureml_loopback.paging import page_size
from azureml_loopback.routing import Answer, Call, Handler, Routes
from azureml_loopback.services.artifacts import state as artifacts
from azureml_loopback.services.datasets import state as datasets
from azureml_loopback.services.history import state as history
from azureml_loopback.services.metrics import state as metrics
from azureml_loopback.services.models import state as models
from azureml_loopback.services.pipelines import entities
from azureml_loopback.services.pipelines import state as pipelines
from azureml_loopback.store import Document, Store
from azureml_loopback.tokens import page_key, same

routes = Routes("", direct=True)

NO_KEY = (
    "This page opens with a key: `python -m azureml_loopback status` prints its whole address.\n"
)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
RUNS = 50
"""Runs in a list, unless more are asked for."""
LOG_BYTES = 128 * 1024
"""Of a log in one answer; of one that is longer, the page begins with the end."""


def keyed(handler: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
    """Let only those in who have the cookie, and send the headers that keep a page to itself."""

    @wraps(handler)
    def guarded(call: Call) -> Answer:
        if not same(_cookie(call), page_key(call.loopback.tokens.secret)):
            return Answer(NO_KEY, 401, HEADERS, "text/plain")
        answer = handler(call)
        return Answer(
            answer.body, answer.status, {**HEADERS, **answer.headers}, answer.content_type
        )

    return guarded


def shown(handler: Handler) -> Callable[[Call], Answer]:
    """Send values as JSON, or 304 where the page has the same already."""

    @wraps(handler)
    def answering(call: Call) -> Answer:
        body = json.dumps(handler(call)).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()}"'
        headers = {"ETag": tag, "X-Loopback-Time": call.loopback.clock.text()}
        if call.headers.get("if-none-match") == tag:
            return Answer(None, 304, headers)
        return Answer(body, 200, headers, "application/json")

    return keyed(answering)


@routes.get("/", query=("key",), open_=True)
def index(call: Call) -> Answer:
    """Show the page; a key in the address becomes a cookie and leaves the address."""
    key = call.query.get("key")
    if key is None or not same(key, page_key(call.loopback.tokens.secret)):
        return _page(call)
    cookie = f"{_cookie_name(call)}={key}; Path=/; HttpOnly; SameSite=Strict"
    return Answer(None, 303, {**HEADERS, "Location": "/", "Set-Cookie": cookie})


@keyed
def _page(call: Call) -> Answer:
    return _file("index.html")


@routes.get("runs/{run}", query=("wsid", "tid"), open_=True)
def link(call: Call) -> Answer:
    """Lead the SDK's link of a run, which it calls the portal's, to the page's own view of it."""
    return Answer(None, 303, {**HEADERS, "Location": f"/#/runs/{quote(call.parts['run'])}"})


@routes.get("page/{name}", open_=True)
@keyed
def file(call: Call) -> Answer:
    """Send one of the page's own files."""
    return _file(call.parts["name"])


@routes.get("page/data/runs", query=("experiment", "limit"), open_=True)
@shown
def runs(call: Call) -> dict[str, Any]:
    """List the experiments, and the newest runs of one or of all."""
    store = call.loopback.store
    names = {found["experimentId"]: found["name"] for found in history.experiments(store)}
    wanted = call.query.get("experiment")
    limit = page_size(call.query, "limit", RUNS)
    found = history.roots(store, wanted, limit=limit + 1)
    return {
        "experiments": [
            {"id": id_, "name": name, "runs": history.count_roots(store, id_)}
            for id_, name in names.items()
        ],
        "runs": [
            views.run_row(run, names[run["experimentId"]], _nodes(store, run["runId"]).values())
            for run in found[:limit]
        ],
        "more": len(found) > limit,
    }


@routes.get("page/data/runs/{run}", open_=True)
@shown
def run(call: Call) -> dict[str, Any]:
    """Show a run: its graph or its children, metrics, files and outputs."""
    store, run_id = call.loopback.store, call.parts["run"]
    found = history.get_run(store, run_id)
    experiment = history.get_experiment(store, found["experimentId"])["name"]
    parent = history.find_run(store, found["parentRunId"] or "")
    logged = metrics.metrics(store, run_id)
    return {
        **views.run_details(found, experiment, parent),
        **_pipeline(store, run_id),
        **views.files(artifacts.names(call.loopback, run_id)),
        "children": [views.run_row(c, experiment) for c in history.children(store, run_id)],
        "metrics": [views.metric(m, metrics.values(store, run_id, m["name"])) for m in logged],
    }


@routes.get("page/data/runs/{run}/log", query=("name", "start"), open_=True)
@shown
def log(call: Call) -> dict[str, Any]:
    """Send what a log has from ``start`` on; without one, its end."""
    document = _artifact(call)
    size = artifacts.size(call.loopback, document)
    asked = call.query.get("start")
    start = max(0, size - LOG_BYTES) if asked is None else _start(asked, size)
    data = artifacts.content(call.loopback, document, start, LOG_BYTES) if start < size else b""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)  # a letter that is half there is left for the next time
    return {"text": text, "start": start, "end": start + len(data) - len(decoder.getstate()[0])}


@routes.get("page/data/runs/{run}/file", query=("name",), open_=True)
@keyed
def download(call: Call) -> Answer:
    """Send a file of a run, to be saved and not to be shown."""
    document = _artifact(call)
    headers = {"Content-Disposition": "attachment"}
    body = artifacts.content(call.loopback, document)
    return Answer(body, 200, headers, "application/octet-stream")


@routes.get("page/data/datasets", open_=True)
@shown
def all_datasets(call: Call) -> list[Any]:
    """List the registered datasets with their versions."""
    store = call.loopback.store
    return [
        views.dataset(found, datasets.versions(store, found["datasetId"]))
        for found in datasets.datasets(store)
    ]


@routes.get("page/data/models", open_=True)
@shown
def all_models(call: Call) -> list[Any]:
    """List the registered models with their versions."""
    return views.models(models.listed(call.loopback.store, {}))


def _pipeline(store: Store, run_id: str) -> dict[str, Any]:
    """Return what a pipeline run has and other runs have not."""
    run_ = pipelines.find_run(store, run_id)
    if run_ is None:
        return {"graph": None, "parameters": {}}
    graph = entities.graph(store, run_["GraphId"])
    modules = {node["ModuleId"] for node in graph["ModuleNodes"]}
    picture = views.graph(
        graph,
        {id_: entities.module(store, id_) for id_ in modules},
        _nodes(store, run_id),
        _dataset_names(store) if graph.get("DatasetNodes") else {},
    )
    return {"graph": picture, "parameters": views.parameters(run_)}


def _dataset_names(store: Store) -> dict[str, str]:
    """Return the name of each registered dataset by its id, and by those of its saved versions."""
    return {
        id_: found["name"]
        for found in datasets.datasets(store)
        for version in datasets.versions(store, found["datasetId"])
        for id_ in (found["datasetId"], version["savedDatasetId"])
    }


def _nodes(store: Store, run_id: str) -> dict[str, Document]:
    return pipelines.nodes(store, run_id)


def _artifact(call: Call) -> Document:
    container = artifacts.run_container(call.parts["run"])
    name = call.query.get("name", "")
    return artifacts.get(call.loopback, artifacts.RUN_ORIGIN, container, name)


def _start(text: str, size: int) -> int:
    if not text.isascii() or not text.isdigit():
        raise BadRequest(f"start: found '{text}', a whole number is allowed")
    return int(text) if int(text) <= size else 0  # a log that was written anew


def _file(name: str) -> Answer:
    kind = TYPES.get(name.rpartition(".")[2])
    source = files("azureml_loopback.page").joinpath(name)
    if kind is None or not source.is_file():
        raise NotFound(f"The page has no file '{name}'")
    return Answer(source.read_text(encoding="utf-8"), 200, {}, kind)


def _cookie_name(call: Call) -> str:
    """Return a name of this port's own: browsers share cookies between the ports of a host."""
    return f"azureml_loopback_{(call.headers.get('host') or '').rpartition(':')[2]}"


def _cookie(call: Call) -> str:
    try:
        found = SimpleCookie(call.headers.get("cookie") or "").get(_cookie_name(call))
    except CookieError:
        return ""
    return found.value if found else ""
