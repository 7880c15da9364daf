"""A step's work from the empty folder to its outputs, done in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from azureml_loopback.errors import ServiceError
from azureml_loopback.execution import ports, reuse, transfer
from azureml_loopback.execution.logs import StepLog
from azureml_loopback.execution.made_datasets import made_datasets
from azureml_loopback.execution.plan import StepPlan
from azureml_loopback.execution.step import Runner, StepCanceled, StepContext, StepFailed
from azureml_loopback.services.history import state as history
from azureml_loopback.services.pipelines import state as pipelines

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document

log = logging.getLogger(__name__)

RELEASE_SECONDS = 5.0
"""Longer than the SDK's second between two looks, on a busy machine too."""
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Outcome:
    """How a step ended.

    Attributes:
        plan: The step.
        outputs: Port name -> NodeOutput, of one that did its work.
        failure: Why it did not.
        canceled: It was stopped.
    """

    plan: StepPlan
    outputs: Mapping[str, Document] = field(default_factory=dict)
    failure: StepFailed | None = None
    canceled: bool = False


def work(
    loopback: Loopback, runners: Mapping[str, Runner], plan: StepPlan, canceled: threading.Event
) -> Outcome:
    """Run a step to its end, whatever that is.

    Args:
        loopback: The service.
        runners: ModuleExecutionType -> what runs such steps.
        plan: The step.
        canceled: Stops it when set.
    """
    step_log = StepLog(loopback, plan.run_id)
    try:
        return Outcome(plan, _outputs(loopback, runners, plan, step_log, canceled))
    except StepCanceled:
        return Outcome(plan, canceled=True)
    except StepFailed as failure:
        return Outcome(plan, failure=failure)
    except ServiceError as refusal:
        return Outcome(plan, failure=StepFailed(str(refusal)))
    except Exception as error:
        log.exception("step %s of run %s", plan.name, plan.pipeline_run_id)
        text = f"The loopback failed: {type(error).__name__}: {error}"
        return Outcome(plan, failure=StepFailed(text, "ServiceError"))


def release(loopback: Loopback, plan: StepPlan, canceled: threading.Event) -> None:
    """Give up a step's node, which takes a moment where a client follows the step.

    The SDK looks whether a step still runs and then reads its log: until it has looked once more,
    as Azure's computes leave it the time to, the last lines would never be shown.
    """
    ended, waited = loopback.clock.now(), 0.0
    of = (loopback.store, plan.pipeline_run_id, plan.node_id)
    while waited < RELEASE_SECONDS and pipelines.is_awaited(*of, ended):
        if canceled.wait(LOOK_SECONDS):
            return
        waited += LOOK_SECONDS


def _outputs(
    loopback: Loopback,
    runners: Mapping[str, Runner],
    plan: StepPlan,
    step_log: StepLog,
    canceled: threading.Event,
) -> Mapping[str, Document]:
    if loopback.faults.fails_step(plan.name):
        raise StepFailed(f"The loopback was told to let step '{plan.name}' fail")
    folder = loopback.home.runs / plan.run_id
    transfer.clear(folder)
    folder.mkdir(parents=True)
    history.set_status(loopback.store, plan.run_id, "Preparing")
    step = StepContext(
        loopback=loopback,
        pipeline_run_id=plan.pipeline_run_id,
        run_id=plan.run_id,
        node=plan.node,
        module=plan.module,
        parameters=plan.parameters,
        inputs=plan.inputs,
        outputs=plan.outputs,
        folder=folder,
        log=step_log,
        canceled=canceled,
    )
    try:
        runners[plan.module["ModuleExecutionType"]].run(step)
        made = made_datasets(step)
    finally:
        transfer.clear(folder)
    return {
        name: ports.node_output(output, made.get(name), reuse.content_of(plan.run_id, name))
        for name, output in plan.outputs.items()
    }
