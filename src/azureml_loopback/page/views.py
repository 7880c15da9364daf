"""What the page shows, from what the services remember: pure functions from documents to values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from azureml_loopback.page.layout import lay_out

Document = Mapping[str, Any]
Values = dict[str, Any]

KINDS = {
    "azureml.PipelineRun": "pipeline",
    "azureml.StepRun": "step",
    "azureml.scriptrun": "script",
    "automl": "AutoML",
}
"""Run type -> what the page calls it; others keep their name."""
MOODS = {
    **dict.fromkeys(("NotStarted", "Queued"), "waiting"),
    **dict.fromkeys(("Preparing", "Running", "Finalizing", "CancelRequested"), "running"),
    **dict.fromkeys(("Completed", "Finished"), "done"),
    **dict.fromkeys(("Canceled", "Bypassed"), "canceled"),
    "Failed": "failed",
}
"""Status, of runs and of nodes -> what colour it has."""
LOG_FOLDERS = ("azureml-logs/", "user_logs/", "logs/")
ROWS = 200
"""Values of a metric that are shown: the last ones."""


def mood(status: str) -> str:
    """Return the group that a status belongs to."""
    return MOODS.get(status, "running")


def run_row(run: Document, experiment: str, nodes: Iterable[Document] = ()) -> Values:
    """Return a run as a list shows it.

    Args:
        run: ``RunDto``.
        experiment: Its experiment's name.
        nodes: ``TaskStatus`` of each of its steps.
    """
    return {
        "id": run["runId"],
        "number": run["runNumber"],
        "name": run["displayName"] or run["runId"],
        "kind": KINDS.get(str(run["runType"]), run["runType"]),
        "experiment": experiment,
        "status": run["status"],
        "mood": mood(run["status"]),
        "reused": run["properties"].get("azureml.isreused") == "true",
        "started": run.get("startTimeUtc") or run["createdUtc"],
        "ended": run.get("endTimeUtc"),
        "steps": Counter(_node_mood(node) for node in nodes),
        "score": run["properties"].get("score"),
        "algorithm": run["properties"].get("run_algorithm"),
    }


def run_details(run: Document, experiment: str, parent: Document | None) -> Values:
    """Return what is to be known of a run beside its row."""
    properties = run["properties"]
    return {
        **run_row(run, experiment),
        "description": run.get("description"),
        "parent": parent and {"id": parent["runId"], "name": parent["displayName"]},
        "script": run.get("scriptName"),
        "target": run.get("target"),
        "error": (run.get("error") or {}).get("error", {}).get("message"),
        "warnings": [warning["message"] for warning in run["warnings"]],
        "tags": {k: v for k, v in run["tags"].items() if not k.startswith("azureml.")},
        "properties": properties,
        "reusedFrom": properties.get("azureml.reusedrunid"),
        "statuses": [
            {"status": change["status"], "time": change["time"]} for change in run["_statuses"]
        ],
    }


def graph(
    graph_: Document,
    modules: Mapping[str, Document],
    nodes: Mapping[str, Document],
    datasets: Mapping[str, str],
) -> Values:
    """Return a pipeline's graph, laid out, with each step's state.

    Args:
        graph_: ``GraphEntity``.
        modules: Module id -> ``ModuleEntity``.
        nodes: Node id -> ``TaskStatus``.
        datasets: Id of a registered or saved dataset -> the name that it is registered by.
    """
    steps = [_step(node, modules[node["ModuleId"]], nodes) for node in graph_["ModuleNodes"]]
    data = [_data(node, datasets) for node in graph_.get("DatasetNodes") or []]
    boxes = {box["id"]: box for box in (*data, *steps)}
    ports = [(edge["SourceOutputPort"], edge["DestinationInputPort"]) for edge in graph_["Edges"]]
    edges = [(str(a.get("NodeId")), str(b.get("NodeId"))) for a, b in ports]
    picture = lay_out(list(boxes), edges)
    carried = _carried(ports)
    return {
        "width": picture.width,
        "height": picture.height,
        "boxes": [{**boxes[key], "x": x, "y": y} for key, (x, y) in picture.boxes.items()],
        "lines": [
            {"from": edge[0], "to": edge[1], "label": carried[edge], "points": points}
            for edge, points in picture.lines.items()
        ],
    }


def parameters(run: Document) -> dict[str, str]:
    """Return the values that a ``PipelineRunEntity`` was submitted with."""
    return {name: str(value) for name, value in (run.get("ParameterAssignments") or {}).items()}


def metric(metric_: Document, values: Sequence[Document]) -> Values:
    """Return a metric as a table of its last values."""
    columns = list(metric_["columns"])
    return {
        "name": metric_["name"],
        "columns": columns,
        "rows": [[value["data"].get(column) for column in columns] for value in values[-ROWS:]],
        "count": len(values),
    }


def outputs(node: Document) -> list[Values]:
    """Return where a step's outputs lie, from its ``TaskStatus``."""
    places = {
        name: (output.get("DataLocation") or {}).get("DataReference", {}).get("AzureBlobReference")
        for name, output in (node.get("_outputs") or {}).items()
    }
    return [
        {"name": name, "datastore": place["AmlDataStoreName"], "path": place["RelativePath"]}
        for name, place in places.items()
        if place
    ]


def files(names: Iterable[str]) -> Values:
    """Return a run's files, logs apart."""
    known = sorted(names)
    logs = [name for name in known if name.startswith(LOG_FOLDERS)]
    return {"logs": logs, "files": [name for name in known if name not in logs]}


def dataset(dataset_: Document, versions: Sequence[Document]) -> Values:
    """Return a registered dataset with its versions, the newest first."""
    return {
        "name": dataset_["name"],
        "type": dataset_["datasetType"],
        "versions": [
            {
                "version": version["versionId"],
                "id": version["savedDatasetId"],
                "created": version["createdTime"],
                "description": version["_description"],
                "tags": version["_tags"],
            }
            for version in reversed(versions)
        ],
    }


def models(all_models: Iterable[Document]) -> list[Values]:
    """Return the models by name, each with its versions, the newest first."""
    by_name: dict[str, list[Values]] = {}
    for model in sorted(all_models, key=lambda one: -int(one["version"])):
        by_name.setdefault(model["name"], []).append(
            {
                "version": str(model["version"]),
                "created": model["createdTime"],
                "framework": model.get("framework"),
                "description": model.get("description"),
                "run": model.get("runId"),
                "tags": model.get("kvTags") or {},
                "properties": model.get("properties") or {},
            }
        )
    return [{"name": name, "versions": by_name[name]} for name in sorted(by_name)]


def _node_mood(node: Document) -> str:
    return "reused" if node.get("ReuseInfo") else mood(node["StatusCode"])


def _step(node: Document, module: Document, nodes: Mapping[str, Document]) -> Values:
    state = nodes.get(node["Id"], {"StatusCode": "NotStarted"})
    return {
        "id": node["Id"],
        "name": module["Name"] or node["Id"],
        "kind": module.get("StepType") or module.get("ModuleExecutionType") or "step",
        "status": "Reused" if state.get("ReuseInfo") else state["StatusCode"],
        "mood": _node_mood(state),
        "run": state.get("RunId"),
        "started": state.get("StartTime"),
        "ended": state.get("EndTime"),
        "outputs": outputs(state),
    }


def dataset_id(node: Document) -> str | None:
    """Return the id of the dataset, registered or saved, that a graph's dataset node stands for."""
    value = (node.get("DataSetDefinition") or {}).get("Value") or {}
    reference = value.get("DataSetReference") or value.get("SavedDataSetReference") or {}
    found: str | None = reference.get("Id")
    return found


def _data(node: Document, datasets: Mapping[str, str]) -> Values:
    parameter = (node.get("DataSetDefinition") or {}).get("ParameterName")
    name = parameter or datasets.get(dataset_id(node) or "") or "data"
    return {"id": node["Id"], "name": name, "kind": "data", "mood": "data"}


def _carried(ports: Iterable[tuple[Document, Document]]) -> dict[tuple[str, str], str]:
    """Return for each edge the names of what travels along it."""
    names: dict[tuple[str, str], list[str]] = {}
    for source, target in ports:
        edge = (str(source.get("NodeId")), str(target.get("NodeId")))
        names.setdefault(edge, []).append(str(source.get("PortName") or ""))
    return {edge: ", ".join(dict.fromkeys(filter(None, labels))) for edge, labels in names.items()}
