"""Script runs that were submitted by themselves: a step without a pipeline."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from azureml_loopback.execution import config_data
from azureml_loopback.execution.plan import StepPlan
from azureml_loopback.execution.run_records import lineage
from azureml_loopback.execution.step import Runner, StepCanceled
from azureml_loopback.execution.work import work
from azureml_loopback.services.datastores import state as datastores
from azureml_loopback.services.execution import state as submitted
from azureml_loopback.services.history import state as history

if TYPE_CHECKING:
    from azureml_loopback.context import Loopback
    from azureml_loopback.store import Document


class ScriptWork:
    """Implements `lone_runs.LoneWork`."""

    def __init__(self, loopback: Loopback, runner: Runner) -> None:
        """Take what runs script steps."""
        self._loopback = loopback
        self._runners = {submitted.MODULE_TYPE: runner}

    def is_one(self, run: Document) -> bool:
        """Say whether a run was submitted as a script."""
        return submitted.is_script_run(run)

    def run(self, run: Document, canceled: threading.Event) -> None:
        """Run the script.

        Raises:
            StepFailed: It failed, or could not start.
            StepCanceled: It was stopped.
        """
        plan = plan_script(self._loopback, run)
        store = self._loopback.store
        read = [lineage(store, given) for given in plan.inputs.values() if given.dataset_id]
        history.update_run(store, run["runId"], _inputDatasets=read)
        outcome = work(self._loopback, self._runners, plan, canceled)
        if outcome.canceled:
            raise StepCanceled
        if outcome.failure:
            raise outcome.failure


def plan_script(loopback: Loopback, run: Document) -> StepPlan:
    """Return a submitted script as the step that it would be.

    Raises:
        StepFailed: It reads data in a way that is not implemented.
        NotFound: A dataset is gone.
    """
    config, run_id = run["_configuration"], run["runId"]
    node = {"Id": run_id, "Runconfig": json.dumps(config)}
    module = {
        "Name": config.get("script") or config.get("command") or run_id,
        "ModuleExecutionType": submitted.MODULE_TYPE,
        "DataLocation": {"StorageId": run["_snapshotId"]},
        "StructuredInterface": {
            "Arguments": [_literal(value) for value in config.get("arguments") or []],
        },
    }
    datastore = datastores.default(loopback)["name"]
    return StepPlan(
        pipeline_run_id=run_id,
        run_id=run_id,
        node=node,
        module=module,
        parameters={
            "Script": config.get("script"),
            "Command": config.get("command") or None,
            "Target": run["target"],
        },
        inputs=config_data.inputs(loopback.store, config),
        outputs=config_data.outputs(config, run_id, datastore),
        reuse_key=None,
    )


def _literal(value: Any) -> dict[str, str]:
    return {"ValueType": "Literal", "Value": str(value)}
