"""The compute targets of azureml.yml: found in the workspace, or provisioned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from azureml_deploy.config import ComputeTarget
from azureml_deploy.deployment import Deployment
from azureml_deploy.errors import ServiceError
from azureml_deploy.service_errors import Patience
from azureml_deploy.workspace.found import Found, State

EVERY = 2.0
"""Seconds between two looks at a compute target that is being made."""


def find_compute_targets(
    workspace: Any, deployment: Deployment, patience: Patience, *, create: bool = True
) -> Iterator[Found]:
    """Find or provision the compute targets of a plan's steps; all at once, then waits for each.

    Args:
        workspace: The workspace.
        deployment: What is deployed.
        patience: With the service.
        create: Whether to make what is missing.

    Yields:
        Each as soon as it is ready.

    Raises:
        ServiceError: One cannot be had, for want of quota for example.
    """
    wanted = sorted({step.compute for step in deployment.plan.steps})
    config = deployment.project.config.compute_targets
    there = {name: _compute_target(workspace, name, patience) for name in wanted}
    made = {
        name: patience.ask(
            f"Creating compute target '{name}'",
            _provision,
            workspace,
            name,
            config[name],
            repeatable=False,
        )
        for name in wanted
        if there[name] is None and create
    }
    for name in wanted:
        target = there[name] or made.get(name)
        if target is None:
            yield Found("compute target", name, name, "missing", _size(config[name]))
            continue
        _wait(name, target, config[name], patience)
        state: State = "created" if name in made else "found"
        yield Found(
            "compute target", name, name, state, _as_it_is(target, config[name]), None, target
        )


def _compute_target(workspace: Any, name: str, patience: Patience) -> Any:
    """Return a compute target that is there to stay; one that is being deleted is waited out."""
    from azureml.core.compute import ComputeTarget as AzureComputeTarget  # noqa: PLC0415

    while True:
        try:
            target = patience.ask(
                f"Looking for compute target '{name}'", AzureComputeTarget, workspace, name
            )
        except ServiceError as error:
            if "ComputeTargetNotFound" in str(error):
                return None
            raise
        if str(target.provisioning_state).capitalize() != "Deleting":
            return target
        patience.sleep(EVERY)


def _provision(workspace: Any, name: str, settings: ComputeTarget) -> Any:
    from azureml.core.compute import AmlCompute  # noqa: PLC0415
    from azureml.core.compute import ComputeTarget as AzureComputeTarget  # noqa: PLC0415

    provisioning = AmlCompute.provisioning_configuration(
        vm_size=settings.vm_size,
        vm_priority=settings.vm_priority,
        min_nodes=settings.min_nodes,
        max_nodes=settings.max_nodes,
        idle_seconds_before_scaledown=settings.idle_seconds_before_scaledown,
    )
    return AzureComputeTarget.create(workspace, name, provisioning)


def _wait(name: str, target: Any, settings: ComputeTarget, patience: Patience) -> None:
    """Wait until a compute target can take runs.

    Nodes come when a run asks for them, so only the target itself is waited for.
    """
    waited = 0.0
    while True:
        patience.ask(f"Asking for the state of compute target '{name}'", target.refresh_state)
        state = str(target.provisioning_state).capitalize()
        errors = target.provisioning_errors
        if state == "Succeeded":
            return
        if state in {"Failed", "Canceled"} or errors:
            remedy = "delete it in the workspace, and submit again to have it made anew"
            if "quota" in str(errors).lower():
                remedy = "ask for more quota, or take a smaller vm_size or max_nodes"
            why = _provisioning_error(errors) or state
            raise ServiceError(
                f"Compute target '{name}' ({_size(settings)}) is {state}: {why}; {remedy}"
            )
        if waited > settings.timeout_in_minutes * 60:
            raise ServiceError(
                f"Compute target '{name}' is still {state} after {settings.timeout_in_minutes} "
                "minutes (timeout_in_minutes in azureml.yml); submit again to go on waiting"
            )
        patience.sleep(EVERY)
        waited += EVERY


def _provisioning_error(errors: Any) -> str:
    found = errors if isinstance(errors, list) else [errors] if errors else []
    messages = [e.get("error", e).get("message", "") for e in found if isinstance(e, dict)]
    return "; ".join(filter(None, messages)) or "; ".join(map(str, found))


def _size(settings: ComputeTarget) -> str:
    return f"{settings.vm_size}, {settings.min_nodes} to {settings.max_nodes} nodes"


def _as_it_is(target: Any, settings: ComputeTarget) -> str:
    """Say what a compute target is, and that azureml.yml says otherwise if it does."""
    scale = getattr(target, "scale_settings", None)
    size = str(getattr(target, "vm_size", "") or "")
    if scale is None or not size:
        return str(getattr(target, "type", ""))
    nodes = (scale.minimum_node_count, scale.maximum_node_count)
    text = f"{size}, {nodes[0]} to {nodes[1]} nodes"
    same = size.upper() == settings.vm_size.upper()
    if same and nodes == (settings.min_nodes, settings.max_nodes):
        return text
    return f"{text}; azureml.yml says {_size(settings)}, which is for a new one"
