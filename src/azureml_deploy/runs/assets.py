"""What a workspace keeps: datasets, models and compute targets, who made them and who read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from azureml_deploy.datasets import MADE_BY, READ_PREFIX
from azureml_deploy.runs.records import RunRecords
from azureml_deploy.service_errors import Patience
from azureml_deploy.workspace.uploads import DIGEST_TAG

SHORT = 8
"""Characters of a run's id that are shown, which `show` finds it by."""


@dataclass(frozen=True)
class StepUse:
    """What one step of one run had to do with the workspace's things.

    Attributes:
        run_id: The pipeline's run.
        step: Its name.
        step_run_id: The step's own run.
        compute: What it ran on.
        read: Ids of the saved datasets that it read, and of models ``NAME:VERSION``.
        wrote: Ids of the saved datasets that it wrote.
    """

    run_id: str
    step: str
    step_run_id: str
    compute: str | None
    read: frozenset[str]
    wrote: frozenset[str]

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"{self.step} of run {self.run_id[:SHORT]}"


@dataclass(frozen=True)
class Asset:
    """One line of a list.

    Attributes:
        name: What it goes by.
        version: The latest of a dataset; a model has a line for each; a compute target has none.
        detail: What it is.
        tags: As the workspace has them.
        made_by: Who made it, as far as that is known.
        read_by: Which steps of the runs that were looked at read it, or ran on it.
    """

    name: str
    version: str
    detail: str
    tags: Mapping[str, str]
    made_by: str
    read_by: tuple[str, ...]


def step_uses(
    workspace: Any, experiment_name: str, last: int, patience: Patience
) -> tuple[StepUse, ...]:
    """Return what the steps of an experiment's newest runs read, wrote and ran on.

    Args:
        workspace: Where they ran.
        experiment_name: Whose runs; none if there is no such experiment.
        last: How many runs.
        patience: With the service.

    Raises:
        ServiceError: The service failed.
    """
    records = RunRecords(workspace, patience)
    if experiment_name not in records.experiment_names():
        return ()
    runs = islice(records.pipeline_runs(experiment_name), last)
    return tuple(
        _use(records, experiment_name, run.run_id, step)
        for run in runs
        for step in records.children(experiment_name, run)
        if not (step.properties or {}).get("azureml.reusedrunid")
    )


def list_datasets(workspace: Any, uses: tuple[StepUse, ...], patience: Patience) -> Iterator[Asset]:
    """Yield the registered datasets, by name.

    Args:
        workspace: Where they are.
        uses: What `step_uses` returned.
        patience: With the service.

    Raises:
        ServiceError: The service failed.
    """
    from azureml.core import Dataset  # noqa: PLC0415

    # iterating over what get_all returns gives nothing (azureml-core 1.61); this lists all
    found = patience.ask("Listing datasets", lambda: Dataset.get_all(workspace).registrations)
    for dataset in sorted(found, key=lambda dataset: dataset.name):
        tags = dict(dataset.tags or {})
        makers = [str(use) for use in uses if dataset.saved_id in use.wrote]
        registered = "files registered by submit" if DIGEST_TAG in tags else ""
        yield Asset(
            name=dataset.name,
            version=str(dataset.version),
            detail=dataset.description or "",
            tags=tags,
            made_by=", ".join(makers) or registered,
            read_by=tuple(str(use) for use in uses if dataset.saved_id in use.read),
        )


def list_models(workspace: Any, uses: tuple[StepUse, ...], patience: Patience) -> Iterator[Asset]:
    """Yield the registered models' versions, by name, the newest first.

    Args:
        workspace: Where they are.
        uses: What `step_uses` returned.
        patience: With the service.

    Raises:
        ServiceError: The service failed.
    """
    from azureml.core.model import Model  # noqa: PLC0415

    models = patience.ask("Listing models", Model.list, workspace)
    steps = {use.step_run_id: use for use in uses}
    for model in sorted(models, key=lambda model: (model.name, -int(model.version))):
        maker = (model.properties or {}).get(MADE_BY) or model.run_id
        yield Asset(
            name=model.name,
            version=str(model.version),
            detail=f"{model.created_time:%Y-%m-%d %H:%M}",
            tags=dict(model.tags or {}),
            made_by=str(steps[maker]) if maker in steps else f"run {maker}" if maker else "",
            read_by=tuple(str(use) for use in uses if model.id in use.read),
        )


def list_computes(workspace: Any, uses: tuple[StepUse, ...], patience: Patience) -> Iterator[Asset]:
    """Yield the compute targets, by name.

    Args:
        workspace: Where they are.
        uses: What `step_uses` returned.
        patience: With the service.

    Raises:
        ServiceError: The service failed.
    """
    targets = patience.ask("Listing compute targets", lambda: dict(workspace.compute_targets))
    for name, target in sorted(targets.items()):
        yield Asset(
            name=name,
            version="",
            detail=_compute_detail(target),
            tags=dict(target.tags or {}),
            made_by="",
            read_by=tuple(str(use) for use in uses if use.compute == name),
        )


def _use(records: RunRecords, experiment_name: str, run_id: str, step: Any) -> StepUse:
    details = records.details(experiment_name, step.run_id)
    models = {
        f"{name.removeprefix(READ_PREFIX)}:{version}"
        for name, version in (step.tags or {}).items()
        if name.startswith(READ_PREFIX)
    }
    return StepUse(
        run_id=run_id,
        step=step.name,
        step_run_id=step.run_id,
        compute=step.target,
        read=frozenset(_saved(details.get("inputDatasets")) | models),
        wrote=frozenset(_saved(details.get("outputDatasets"))),
    )


def _saved(lineage: Any) -> set[str]:
    """Return the ids of the datasets that a run tells of."""
    return {str(dataset["identifier"].get("savedId")) for dataset in lineage or []}


def _compute_detail(target: Any) -> str:
    scale = getattr(target, "scale_settings", None)
    size = f"{target.vm_size}, {_nodes(scale)}, " if scale is not None else ""
    return f"{target.type}, {size}{target.provisioning_state}"


def _nodes(scale: Any) -> str:
    return f"{scale.minimum_node_count} to {scale.maximum_node_count} nodes"
