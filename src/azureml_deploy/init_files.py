"""The files that `kedro azureml init` writes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

CONFIG_FILE = "azureml.yml"
AMLIGNORE_FILE = ".amlignore"

AMLIGNORE = """\
# What the Azure ML SDK never uploads, in .gitignore's syntax. `kedro azureml` uploads a folder of
# its own for each step, with only what that step needs; this is for whoever uses the SDK directly.
.git
.venv
__pycache__
*.pyc
/data
/notebooks
/tests
/conf/local
/mlruns
"""

_CONFIG = """\
# Where and how `kedro azureml …` runs this project. Field names are the Azure ML SDK's own.
# An environment (conf/ENV/azureml.yml, --env ENV) overrides single values: the files are merged
# deeply. `kedro azureml plan` checks all of it without network; `kedro azureml explain CODE` says
# what a finding means.

workspace:
  # Nothing here: Workspace.from_config() finds config.json. Or say where it is:
  # path: .azureml/config.json
  # or name the workspace:
  # subscription_id: 00000000-0000-0000-0000-000000000000
  # resource_group: my-group
  # workspace_name: my-workspace
  auth: interactive            # or cli, service_principal, msi

experiment_name: {experiment}

compute_targets:               # made when missing, as AmlCompute.provisioning_configuration does
  cpu-cluster:
    vm_size: STANDARD_D2_V2
    min_nodes: 0
    max_nodes: 1
    idle_seconds_before_scaledown: 1800
    vm_priority: dedicated     # or lowpriority
    timeout_in_minutes: 20

environments:                  # a base (curated: NAME, or docker_image: IMAGE) and packages on top
  {experiment}:                # its name in the workspace, which all its projects share
    python_version: "{python}"
    pip_packages:
{packages}
    # conda_packages: []

default:                       # what a node's step has where `steps` does not say otherwise
  compute_target: cpu-cluster
  environment: {experiment}
  allow_reuse: true

steps: []                      # by tag or by node names (patterns); later entries win
  # - tag: azureml.automl        # in Azure's own environment for AutoML
  #   compute_target: big-cluster
  # - tag: heavy
  #   compute_target: big-cluster
  # - nodes: [evaluate, plot_*]
  #   environment: automl-runtime

datasets: {{}}                   # catalog name -> registered Dataset; the files are uploaded once
  # companies:
  #   name: companies
  #   paths: [data/01_raw/companies.csv]
  #   description: Companies as delivered
  #   create_new_version: true

grouping: auto                 # or namespace, tag (azureml.step.NAME), none
intermediate_data: PipelineData              # or OutputFileDatasetConfig
persist_memory_datasets: null  # or parquet, pickle: how datasets without a file cross steps

pipeline_parameters: {{}}        # settable at submit: name -> params:NAME

# What datasets are to a node tagged azureml.automl or azureml.register; nothing is guessed.
roles: {{}}
  # training_data: train
  # validation_data: validation
  # model: best_model
  # metrics: automl_metrics
  # automl_settings: params:automl
  # registry: [registered_model, champion]
  # model_name: params:model_name

# What kedro azureml serve runs; its model is the dataset of roles.registry that it reads.
# serving:
#   pipeline: scoring
#   request: new_companies      # records take the place of this dataset, and pass its validator
#   response: predictions
#   row_key: id                 # answers come in the request's order
#   environment: endpoint       # of an Azure endpoint; needs azureml-defaults
"""


def config_text(project_name: str, requirements: Iterable[str], python: str) -> str:
    """Return a commented azureml.yml that can be planned with as it is.

    Args:
        project_name: Becomes the name of the experiment and of the environment.
        requirements: What the project installs; become the environment's packages.
        python: Version of Python, such as ``3.11``.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", project_name).strip("-_")[:36]
    packages = [f"      - {requirement}" for requirement in requirements]
    return _CONFIG.format(
        experiment=name if len(name) >= 3 else f"kedro-{name}",
        packages="\n".join(packages),
        python=python,
    )


def project_requirements(project_path: Path, kedro_version: str) -> list[str]:
    """Return what the project says that it installs, Kedro and Azure's core included.

    Args:
        project_path: The project; requirements.txt is read, or else pyproject.toml.
        kedro_version: Of this environment, if the project names none.
    """
    found = _from_requirements(project_path) or _from_pyproject(project_path)
    minor = ".".join(kedro_version.split(".")[:2])
    needed = {"kedro": f"kedro~={minor}.0", "azureml-core": "azureml-core~=1.61.0"}
    # mounting registered Datasets takes the fuse extra
    needed["azureml-dataset-runtime"] = "azureml-dataset-runtime[fuse]~=1.61.0"
    names = {re.split(r"[\s\[<>=!~;@]", text, maxsplit=1)[0].lower() for text in found}
    return [*found, *(text for name, text in needed.items() if name not in names)]


def _from_requirements(project_path: Path) -> list[str]:
    for place in ("requirements.txt", "src/requirements.txt"):
        path = project_path / place
        if path.is_file():
            lines = (line.partition(" #")[0].strip() for line in path.read_text().splitlines())
            return [_quoted(line) for line in lines if line and line[0] not in "#-"]
    return []


def _from_pyproject(project_path: Path) -> list[str]:
    try:
        import tomllib  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:  # Python 3.10, where Kedro brings the same under another name
        import tomli as tomllib  # type: ignore[import-not-found,no-redef,unused-ignore]  # noqa: PLC0415
    path = project_path / "pyproject.toml"
    if not path.is_file():
        return []
    declared = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    return [_quoted(text) for text in declared.get("dependencies", [])]


def _quoted(text: str) -> str:
    """Quote what YAML would read as something else than text."""
    text = text.replace('"', "'")
    return f'"{text}"' if re.search(r"[:#{}&*!|>%@`;']", text) else text
