"""Rules on code and environments: whether the step can be imported where it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from azureml_deploy.catalog import strings
from azureml_deploy.modules import Import
from azureml_deploy.plan import Step
from azureml_deploy.planning import parameter_value
from azureml_deploy.preflight.packages import DATASET_PACKAGES, distribution_of, lacking
from azureml_deploy.preflight.rule import Problem, Situation

MAX_BYTES = 300 * 1024**2
MAX_FILES = 2000
"""A snapshot's limits in Azure ML (azureml-core 1.61, `azureml._restclient.constants`)."""

GPU_SIZE = re.compile(r"standard_n[cdv]", re.IGNORECASE)
"""Azure's N-series (NC, ND, NV) are its sizes with a GPU."""

_GPU_IMAGE = re.compile(r"gpu|cuda", re.IGNORECASE)
_DEEP_MODELS = frozenset({"TensorFlowDNN", "TabnetClassifier", "TabnetRegressor", "TCNForecaster"})
_SECRET_KEY = re.compile(r"(password|secret|account_?key|sas_?token|connection_string)$", re.I)
_SECRET_FILE = re.compile(r"(^|/)(credentials[^/]*\.ya?ml|\.env|[^/]*\.pem)$")


def not_importable(situation: Situation) -> Iterator[Problem]:
    """Find functions that another machine cannot import."""
    for step in situation.steps("script", "register"):
        for name in step.nodes:
            location = situation.locations[name]
            if location.path is None and (not location.importable or "lambda" in location.problem):
                yield Problem(
                    f"node {name}, step {step.name}",
                    f"its function has no import path: {location.problem}",
                    "move it to a module of the project and give it a name",
                    "warning" if location.importable else "error",
                )


def whole_tree(situation: Situation) -> Iterator[Problem]:
    """Find steps with which all of the source travels."""
    for name, files in situation.files.items():
        if files.whole_tree:
            yield Problem(
                f"step {name}",
                f"the whole source tree travels, so any edit ends its reuse ({files.whole_tree})",
                "give the node a function that can be imported by name",
            )


def too_large(situation: Situation) -> Iterator[Problem]:
    """Find snapshots above Azure ML's limits."""
    for name, files in situation.files.items():
        snapshot = files.snapshot
        if snapshot.size > MAX_BYTES or snapshot.files > MAX_FILES:
            yield Problem(
                f"step {name}",
                f"its snapshot has {snapshot.files} files and {snapshot.size / 1024**2:.0f} MB; "
                f"Azure ML takes {MAX_FILES} and {MAX_BYTES // 1024**2}",
                "keep data out of src/, and read it through the catalog",
            )


def credentials_travel(situation: Situation) -> Iterator[Problem]:
    """Find secrets in a snapshot, and datasets that need secrets which do not travel."""
    for name, files in situation.files.items():
        for path in files.contents:
            local = path.startswith("conf/local/") and not path.endswith(".gitkeep")
            if local or _SECRET_FILE.search(path):
                yield Problem(
                    f"step {name}, {path}",
                    "credentials and conf/local must not be uploaded",
                    "take the file out of the source tree",
                )
    for step in situation.steps("script", "register"):
        bound = situation.bound(step)
        for entry in situation.entries(step):
            if entry.name in bound:
                continue
            if "credentials" in entry.config:
                yield Problem(
                    f"dataset {entry.name}, step {step.name}",
                    "it needs credentials, which are never uploaded",
                    "register it under datasets: in azureml.yml: the workspace's datastore "
                    "holds the credentials",
                )
            for key, value in entry.config.items():
                if _SECRET_KEY.search(key) and any("${" not in t for t in strings(value)):
                    yield Problem(
                        f"dataset {entry.name}, {key}",
                        "a secret is written in the catalog, which is uploaded",
                        "move it to conf/local/credentials.yml",
                    )


def missing_package(situation: Situation) -> Iterator[Problem]:
    """Find packages that a step's code imports and its environment lacks."""
    for step in situation.steps("script", "register"):
        environment = situation.config.environments[step.environment]
        places = {
            distribution_of(package): place for package, place in _imported(situation, step).items()
        }
        missing = sorted(lacking(environment, places))
        if not missing:
            continue
        base = environment.curated or environment.docker_image
        named = "; ".join(f"{name} ({places[name]})" for name in missing)
        yield Problem(
            f"step {step.name}, environment {step.environment}",
            f"its code imports {named}, which the environment does not list",
            f"add them to environments.{step.environment}.pip_packages"
            + (f", unless {base} has them" if base else ""),
            # what a base image holds cannot be known from here
            "warning" if base else "error",
        )


def _imported(situation: Situation, step: Step) -> Mapping[str, str]:
    """Return the packages that a step needs, and where each is imported."""
    packages: dict[str, str] = {"kedro": "run_step.py"}
    found: Mapping[str, Import] = situation.files[step.name].closure.packages
    packages.update({name: wanted.place for name, wanted in found.items()})
    for entry in situation.entries(step):
        group = entry.type.removeprefix("kedro_datasets.").partition(".")[0]
        registry = entry.name.partition("@")[0] in situation.config.roles.registry
        if entry.location != "memory" and not registry and "." in entry.type:
            if group in DATASET_PACKAGES:
                packages.setdefault(DATASET_PACKAGES[group], f"dataset {entry.name}")
            if group in {*DATASET_PACKAGES, "json", "pickle", "text"}:
                packages.setdefault("kedro_datasets", f"dataset {entry.name}")
    return packages


def gpu_on_cpu(situation: Situation) -> Iterator[Problem]:
    """Find settings that want a GPU on a size that has none."""
    for step in situation.plan.steps:
        target = situation.config.compute_targets[step.compute]
        if GPU_SIZE.match(target.vm_size):
            continue
        wants = _gpu_settings(step) if step.kind == "automl" else _gpu_image(situation, step)
        if wants:
            yield Problem(
                f"step {step.name}, compute_target {step.compute}",
                f"{', '.join(wants)} wants a GPU, and {target.vm_size} has none",
                "choose a size of the N series (such as STANDARD_NC6S_V3), or leave it out",
            )


def _gpu_settings(step: Step) -> list[str]:
    if step.settings is None:
        return []
    deep = sorted(_DEEP_MODELS & set(step.settings.allowed_models or ()))
    networks = ["enable_dnn"] if step.settings.enable_dnn else []
    return [*networks, *(f"allowed_models {name}" for name in deep)]


def _gpu_image(situation: Situation, step: Step) -> list[str]:
    environment = situation.config.environments[step.environment]
    base = environment.curated or environment.docker_image or ""
    return [f"environment {base}"] if _GPU_IMAGE.search(base) else []


def bad_parameter(situation: Situation) -> Iterator[Problem]:
    """Find pipeline parameters that no node reads, or that are no plain value."""
    read = {name for step in situation.plan.steps for name in step.parameters}
    for parameter in situation.plan.pipeline_parameters:
        place = f"pipeline_parameters.{parameter.name}"
        value = parameter_value(situation.project.sources.parameters, parameter.parameter)
        if parameter.default is None:
            found = "does not exist" if value is None else f"is a {type(value).__name__}"
            yield Problem(
                place,
                f"{parameter.parameter} {found}; a pipeline parameter is text or a number",
                "name a Kedro parameter with such a value",
            )
        elif parameter.name not in read:
            yield Problem(
                place,
                f"no node of the plan reads {parameter.parameter}",
                "take it out, or select the nodes that read it",
                "warning",
            )


def group_is_split(situation: Situation) -> Iterator[Problem]:
    """Find namespaces or tags that cannot be one step."""
    if situation.config.grouping not in {"namespace", "tag"}:
        return
    for split in situation.outcome.splits:
        label = split.key[0] if isinstance(split.key, tuple) else split.key
        way = ", then ".join(f"{link.parent} -> {link.child}" for link in split.cycle)
        if label:
            yield Problem(
                f"{situation.config.grouping} {label}",
                f"as one step it would wait for itself: {way}; so it is several steps",
                f"move a node of these to another {situation.config.grouping}, "
                "or set grouping: auto",
            )
