"""A step's folder: only what that step needs, named by its content."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from kedro.pipeline.node import Node

from azureml_deploy.catalog import strings
from azureml_deploy.cut_config import cut_parameters, cut_to_keys, globals_in, to_yaml
from azureml_deploy.modules import Closure, Location, SourceTree, locate, module_of
from azureml_deploy.plan import DeploymentPlan, Snapshot, Step
from azureml_deploy.ports import base_name
from azureml_deploy.project import Project
from azureml_deploy.step_json import REGISTRY_TYPE, step_json

RUN_STEP = "run_step.py"
REGISTER_MODEL = "register_model.py"
SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "script": (RUN_STEP,),
    "register": (REGISTER_MODEL, RUN_STEP),
    "automl": (),
}


@dataclass(frozen=True)
class StepFiles:
    """All files of a snapshot, and what was found out while they were gathered.

    Attributes:
        contents: Path inside the folder -> bytes, or the file to copy.
        closure: The project's modules and the packages that they import.
        whole_tree: Why all of the source travels, if it does.
        validators: Modules that only validators need; the step runs without them too.
    """

    contents: Mapping[str, bytes | Path]
    closure: Closure
    whole_tree: str | None = None
    validators: Closure = field(default_factory=lambda: Closure({}, {}))

    @cached_property
    def snapshot(self) -> Snapshot:
        """Return digest, number of files and bytes."""
        total = hashlib.sha256()
        size = 0
        for name, content in sorted(self.contents.items()):
            data = content if isinstance(content, bytes) else content.read_bytes()
            size += len(data)
            total.update(f"{name}\0{hashlib.sha256(data).hexdigest()}\n".encode())
        return Snapshot(
            digest=total.hexdigest(),
            files=len(self.contents),
            size=size,
            whole_tree=self.whole_tree,
        )

    def write(self, folder: Path) -> Path:
        """Write the snapshot to ``folder/DIGEST``, complete or not at all.

        Returns:
            The snapshot's folder; one that is there already is left as it is.
        """
        target = folder / self.snapshot.digest[:20]
        if target.is_dir():
            return target
        folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
        try:
            for name, content in self.contents.items():
                path = draft / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
            draft.chmod(0o755)
            draft.replace(target)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            if not target.is_dir():  # unless another process has just written the same
                raise
        return target


class Snapshots:
    """The snapshots of a plan's steps; modules are read once for all of them."""

    def __init__(self, project: Project) -> None:
        """Open the project's source tree."""
        self._project = project
        self.tree = SourceTree(project.source_dir)
        self.locations: dict[str, Location] = {
            name: locate(node.func) for name, node in project.sources.nodes.items()
        }

    def files(self, plan: DeploymentPlan) -> dict[str, StepFiles]:
        """Return the files of each step by its name."""
        return {step.name: self.files_of(step) for step in plan.steps}

    def files_of(self, step: Step) -> StepFiles:
        """Gather what one step needs.

        An AutoML step runs Azure's own code, so its folder holds no more than its settings.
        """
        nodes = [self._project.sources.nodes[name] for name in step.nodes]
        if step.kind == "automl":
            settings = step.settings.model_dump_json(indent=2) if step.settings else "{}"
            return StepFiles({"settings.json": settings.encode()}, Closure({}, {}))
        config = self._config(step, nodes)
        closure, whole_tree = self._closure(step, nodes, config)
        validators = self.tree.closure(self._classes(config, validators=True))
        contents: dict[str, bytes | Path] = {
            f"src/{name}": path for name, path in (validators.files | closure.files).items()
        }
        for name in SCRIPTS[step.kind]:
            contents[name] = Path(__file__).with_name("remote") / name
        for name, values in config.items():
            contents[name] = to_yaml(values)
        for env in {"local", self._project.run_env}:
            # Kedro demands the folder, and empty folders are not uploaded
            contents[f"conf/{env}/.gitkeep"] = b""
        contents["pyproject.toml"] = self._pyproject()
        contents["step.json"] = step_json(
            self._project, step, nodes, self.locations, config.values()
        )
        return StepFiles(dict(sorted(contents.items())), closure, whole_tree, validators)

    def _config(self, step: Step, nodes: Iterable[Node]) -> dict[str, dict[str, object]]:
        """Cut each environment's catalog, parameters and globals."""
        inputs = {name for node in nodes for name in node.inputs}
        datasets = {name for node in nodes for name in (*node.inputs, *node.outputs)}
        names = {
            self._project.sources.catalog.entry(name).pattern or name
            for name in datasets
            if base_name(name) not in self._project.config.roles.registry
        }
        raw = self._project.raw
        config: dict[str, dict[str, object]] = {}
        for env in ("base", "env"):
            catalog = cut_to_keys(getattr(raw["catalog"], env), names)
            parameters = cut_parameters(getattr(raw["parameters"], env), inputs)
            used = globals_in(catalog, parameters)
            folder = self._project.base_env if env == "base" else self._project.run_env
            if env == "base" or any(getattr(raw[kind], env) for kind in raw):
                config[f"conf/{folder}/catalog.yml"] = catalog
                config[f"conf/{folder}/parameters.yml"] = parameters
                if used:
                    config[f"conf/{folder}/globals.yml"] = cut_to_keys(
                        getattr(raw["globals"], env), used
                    )
        return config

    def _closure(
        self, step: Step, nodes: Iterable[Node], config: Mapping[str, Mapping[str, object]]
    ) -> tuple[Closure, str | None]:
        modules = {module_of(node.func) for node in nodes}
        settings = f"{self._project.package_name}.settings"
        if self.tree.find(settings):
            modules.add(settings)
        modules.update(self._classes(config, validators=False))
        roles = self._project.config.roles
        if any(
            base_name(n) in roles.registry for node in nodes for n in (*node.inputs, *node.outputs)
        ):
            modules.add(REGISTRY_TYPE.rpartition(".")[0])
        closure = self.tree.closure(modules)
        missing = [node.name for node in nodes if self.locations[node.name].path is None]
        if not missing:
            return closure, None
        reason = f"{missing[0]}: {self.locations[missing[0]].problem}"
        everything = self.tree.everything()
        return (
            Closure(everything.files | closure.files, everything.packages | closure.packages),
            reason,
        )

    def _classes(self, config: Mapping[str, Mapping[str, object]], *, validators: bool) -> set[str]:
        """Return the project's modules that configuration names as class paths."""
        texts: set[str] = set()
        for name, values in config.items():
            for entry in values.values():
                parts = entry if isinstance(entry, dict) else {"": entry}
                is_catalog = name.endswith("catalog.yml")
                texts.update(
                    text
                    for key, part in parts.items()
                    if (is_catalog and key == "validator") == validators
                    for text in strings(part)
                )
        return {owner for text in texts if "." in text and (owner := self.tree.owner(text))}

    def _pyproject(self) -> bytes:
        """Write the part of pyproject.toml that makes a folder a Kedro project."""
        project = self._project
        return (
            "[tool.kedro]\n"
            f'package_name = "{project.package_name}"\n'
            f'project_name = "{project.project_name}"\n'
            f'kedro_init_version = "{project.kedro_version}"\n'
            'source_dir = "src"\n'
        ).encode()
