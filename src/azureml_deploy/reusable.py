"""What the SDK makes anew in each process, made the same: else Azure ML would reuse nothing.

Imports the SDK, so it is imported only to build steps.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from azureml.pipeline.steps import AutoMLStep

_SETS = ("private_models", "supported_models")


class ReusableAutoMLStep(AutoMLStep):  # type: ignore[misc,unused-ignore]
    """The SDK's step, the same in every process and on every machine for the same settings.

    The SDK sends the models that it knows in the order of a set, which differs from process to
    process, and the snapshot's path on this machine. Both are in the step's fingerprint, so as the
    SDK has it an AutoML step is reused only by the process that submitted it first.
    """

    def _get_automl_settings(self, context: Any) -> dict[str, Any]:
        settings: dict[str, Any] = super()._get_automl_settings(context)
        whole = json.loads(settings[self.AUTOML_CONFIG_PARAM_NAME])
        inner = json.loads(whole["aml_settings_json_string"])
        whole["aml_settings_json_string"] = json.dumps(_in_order(inner))
        ordered = _in_order(settings)
        return {**ordered, self.AUTOML_CONFIG_PARAM_NAME: json.dumps(whole), "path": "."}


def with_fixed_ids(table: Any) -> Any:
    """Return an output that is read as a table, the reading's blocks named by their places.

    The SDK gives each block a random id, which is sent with the step.

    Args:
        table: A `PipelineOutputTabularDataset` or an `OutputTabularDatasetConfig`.
    """
    for place, block in enumerate(table._additional_transformations._get_steps()):
        block["id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{place} {block['type']}"))
    return table


def _in_order(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: sorted(value) if name in _SETS and isinstance(value, list) else value
        for name, value in settings.items()
    }
