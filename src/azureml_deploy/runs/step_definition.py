"""What a step ran, read from its run's details. Pure: no azureml, no network, no files.

The details' ``runDefinition`` is what Azure hands to the compute: script, arguments with names in
the place of paths, environment, and the places of inputs and outputs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azureml_deploy.errors import UsageError

PLACEHOLDER = re.compile(
    r"\$(?:AZUREML_DATAREFERENCE_)(\w+)|DatasetConsumptionConfig:(\w+)|DatasetOutputConfig:(\w+)"
)
"""What stands in the arguments for a path, or for a dataset's id."""


@dataclass(frozen=True)
class Place:
    """A path on a datastore."""

    datastore: str
    path: str

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"{self.datastore}:{self.path}"


@dataclass(frozen=True)
class StepInput:
    """What a step read: files at a place, or a dataset.

    Attributes:
        name: The port's.
        mode: ``mount``, ``download`` or ``direct``.
        place: Where files are; nothing for a dataset.
        dataset_id: Of a saved dataset.
    """

    name: str
    mode: str
    place: Place | None = None
    dataset_id: str | None = None

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"{self.name}: {self.place or f'dataset {self.dataset_id}'}"


@dataclass(frozen=True)
class StepOutput:
    """Where a step wrote."""

    name: str
    place: Place

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"{self.name}: {self.place}"


@dataclass(frozen=True)
class StepDefinition:
    """What a step ran, on what, and in which environment."""

    script: str
    arguments: tuple[str, ...]
    environment: Mapping[str, Any]
    inputs: tuple[StepInput, ...]
    outputs: tuple[StepOutput, ...]

    @property
    def variables(self) -> Mapping[str, str]:
        """Return the environment variables that it declares."""
        declared = self.environment.get("environmentVariables") or {}
        return {name: str(value) for name, value in declared.items()}

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the packages that its environment declares, pip's and conda's."""
        python = self.environment.get("python") or {}
        dependencies = (python.get("condaDependencies") or {}).get("dependencies") or []
        return tuple(sorted(_packages(dependencies)))


def read_definition(details: Mapping[str, Any]) -> StepDefinition:
    """Read the details of a step's run.

    Args:
        details: As `Run.get_details` returns them.

    Raises:
        UsageError: The step has not started, or is not a script.
    """
    definition = details.get("runDefinition") or {}
    if not definition.get("script"):
        raise UsageError(
            f"Run {details['runId']} tells of no script: it has not started, or is not a script's"
        )
    references = definition.get("dataReferences") or {}
    mine = details["runId"]
    return StepDefinition(
        script=definition["script"],
        arguments=tuple(map(str, definition.get("arguments") or ())),
        environment=definition.get("environment") or {},
        inputs=(
            *(_reference(n, r) for n, r in references.items() if not _is_output(r, mine)),
            *(_dataset(n, d) for n, d in (definition.get("data") or {}).items()),
        ),
        outputs=(
            *(StepOutput(n, _place(r)) for n, r in references.items() if _is_output(r, mine)),
            *_file_outputs(definition.get("outputData") or {}),
        ),
    )


def substituted(argument: str, values: Mapping[str, str]) -> str:
    """Put paths and dataset ids in the place of the names that stand for them."""

    def value(match: re.Match[str]) -> str:
        return values.get(next(filter(None, match.groups())), match.group())

    return PLACEHOLDER.sub(value, argument)


def _is_output(reference: Mapping[str, Any], run_id: str) -> bool:
    """Say whether a reference is where a step writes: Azure puts its own run's id in the path."""
    return run_id in str(reference.get("pathOnDataStore")).split("/")


def _reference(name: str, reference: Mapping[str, Any]) -> StepInput:
    return StepInput(name, str(reference.get("mode") or "mount").lower(), _place(reference))


def _place(reference: Mapping[str, Any]) -> Place:
    return Place(str(reference["dataStoreName"]), str(reference.get("pathOnDataStore") or ""))


def _dataset(name: str, data: Mapping[str, Any]) -> StepInput:
    mode = str(data.get("mechanism") or "direct").lower()
    return StepInput(name, mode, dataset_id=str(data["dataLocation"]["dataset"]["id"]))


def _file_outputs(outputs: Mapping[str, Any]) -> Iterator[StepOutput]:
    for name, output in outputs.items():
        path = (output.get("outputLocation") or {}).get("dataPath") or {}
        place = Place(str(path.get("datastoreName")), str(path.get("relativePath") or ""))
        yield StepOutput(name, place)


def _packages(dependencies: list[Any]) -> Iterator[str]:
    for entry in dependencies:
        if isinstance(entry, Mapping):
            yield from (f"pip: {line}" for line in entry.get("pip") or [])
        else:
            yield str(entry)
