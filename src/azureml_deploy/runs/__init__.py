"""The life after submit, as functions: what `kedro azureml runs`, `show`, `results` … call.

Each takes the SDK's own `Workspace` or `PipelineRun`, and a `Patience` with the service. In a
notebook::

    from azureml.core import Workspace
    from azureml_deploy.runs import Patience, download_results, find_results, find_run, list_runs

    workspace, patience = Workspace.from_config(), Patience()
    history = list(list_runs(workspace, "titanic_automl", last=10, patience=patience))
    run = find_run(workspace, "titanic_automl", "latest", patience)
    files = download_results(find_results(run, patience), folder, patience)
"""

from azureml_deploy.runs.assets import list_computes, list_datasets, list_models, step_uses
from azureml_deploy.runs.comparison import compare_files, compare_runs
from azureml_deploy.runs.detail import describe_run
from azureml_deploy.runs.following import cancel_run, failure_of, follow, open_run, read_state
from azureml_deploy.runs.history import find_run, list_runs
from azureml_deploy.runs.iterations import plot_leaderboard, read_leaderboard
from azureml_deploy.runs.logs import follow_logs, read_logs
from azureml_deploy.runs.publishing import find_endpoint, publish_deployment, trigger
from azureml_deploy.runs.results import download_results, find_results
from azureml_deploy.runs.schedules import create_schedule, list_schedules, set_active
from azureml_deploy.runs.submission import submit_deployment
from azureml_deploy.service_errors import Patience

__all__ = [
    "Patience",
    "cancel_run",
    "compare_files",
    "compare_runs",
    "create_schedule",
    "describe_run",
    "download_results",
    "failure_of",
    "find_endpoint",
    "find_results",
    "find_run",
    "follow",
    "follow_logs",
    "list_computes",
    "list_datasets",
    "list_models",
    "list_runs",
    "list_schedules",
    "open_run",
    "plot_leaderboard",
    "publish_deployment",
    "read_leaderboard",
    "read_logs",
    "read_state",
    "set_active",
    "step_uses",
    "submit_deployment",
    "trigger",
]
