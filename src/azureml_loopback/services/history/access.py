"""Which experiment and run a path names."""

from __future__ import annotations

from azureml_loopback.errors import NotFound
from azureml_loopback.routing import Call
from azureml_loopback.services.history import state
from azureml_loopback.store import Document


def experiment_of(call: Call) -> Document:
    """Return the experiment that a path names, by name or by id.

    Raises:
        NotFound: There is none.
    """
    if "experiment_id" in call.parts:
        return state.get_experiment(call.loopback.store, call.parts["experiment_id"])
    return state.experiment_named(call.loopback.store, call.parts["experiment"])


def run_of(call: Call) -> Document:
    """Return the run that a path names, of the experiment that it names, if it does.

    Raises:
        NotFound: There is no such run, or it is one of another experiment.
    """
    run = state.get_run(call.loopback.store, call.parts["run"])
    if {"experiment", "experiment_id"} & call.parts.keys():
        experiment = experiment_of(call)
        if run["experimentId"] != experiment["experimentId"]:
            raise NotFound(f"Experiment '{experiment['name']}' has no run '{run['runId']}'")
    return run
