"""Runs as the history keeps them, read by the SDK's own clients.

An SDK's `Run` starts threads and asks several questions before it can be used; a record is one
answer. azureml-core 1.61 offers it by no public name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from azureml_deploy.service_errors import Patience

PIPELINE_RUN = "azureml.PipelineRun"
STEP_RUN = "azureml.StepRun"
LOG_FOLDERS = ("user_logs", "system_logs")
NEWEST_FIRST = ("CreatedUtc", "desc")


@dataclass(frozen=True)
class RunRecords:
    """The history of a workspace. A record is the SDK's ``RunDto``."""

    workspace: Any
    patience: Patience

    def experiment_names(self) -> list[str]:
        """Return the names of all experiments.

        Raises:
            ServiceError: The service failed.
        """
        from azureml.core import Experiment  # noqa: PLC0415

        found = self.patience.ask("Listing experiments", Experiment.list, self.workspace)
        return [experiment.name for experiment in found]

    def pipeline_runs(self, experiment_name: str) -> Iterator[Any]:
        """Yield an experiment's pipeline runs, the newest first.

        Raises:
            ServiceError: There is no such experiment, or the service failed.
        """
        from azureml._restclient.experiment_client import ExperimentClient  # noqa: PLC0415

        what = f"Listing the runs of experiment '{experiment_name}'"
        client = ExperimentClient(self.workspace.service_context, experiment_name)
        pages = self.patience.ask(
            what, client.get_runs, runtype=PIPELINE_RUN, order_by=NEWEST_FIRST
        )
        runs = iter(pages)
        while (record := self.patience.ask(what, next, runs, None)) is not None:
            yield record

    def get(self, run_id: str) -> Any:
        """Return any run of the workspace.

        Raises:
            ServiceError: There is none, or the service failed.
        """
        from azureml._restclient.workspace_client import WorkspaceClient  # noqa: PLC0415

        client = WorkspaceClient(self.workspace.service_context)
        return self.patience.ask(f"Looking for run {run_id}", client.get_run, run_id)

    def children(self, experiment_name: str, record: Any) -> list[Any]:
        """Return the runs right below a run, in the order in which they were made.

        Raises:
            ServiceError: The service failed.
        """
        client = self._client(experiment_name, record.run_id)
        found = self.patience.ask(
            f"Asking for the steps of run {record.run_id}",
            lambda: list(client.get_child_runs(record.root_run_id)),
        )
        return sorted(found, key=lambda child: str(child.created_utc))

    def details(self, experiment_name: str, run_id: str) -> dict[str, Any]:
        """Return a run's details, as `Run.get_details` does, but with no dataset opened.

        Raises:
            ServiceError: The service failed.
        """
        from azureml._restclient.utils import camel_case_transformer  # noqa: PLC0415

        client = self._client(experiment_name, run_id)
        details = self.patience.ask(f"Asking for the details of run {run_id}", client.get_runstatus)
        values: dict[str, Any] = details.as_dict(key_transformer=camel_case_transformer)
        return values

    def log_files(self, experiment_name: str, run_id: str) -> dict[str, str]:
        """Return the address of each of a run's log files by its name.

        Raises:
            ServiceError: The service failed.
        """
        from azureml._restclient.artifacts_client import ArtifactsClient  # noqa: PLC0415

        files = dict(self.details(experiment_name, run_id).get("logFiles") or {})
        client = ArtifactsClient(self.workspace.service_context)
        # compute of today writes logs as files of the run, which the details do not tell
        for folder in LOG_FOLDERS:
            prefix = f"ExperimentRun/dcid.{run_id}/{folder}"
            files |= self.patience.ask(
                f"Listing the logs of run {run_id}",
                lambda prefix=prefix: dict(client.get_files_by_artifact_prefix_id(prefix)),
            )
        return files

    def token(self, experiment_name: str, run_id: str) -> Any:
        """Return a token that speaks for a run, as its step has one.

        Raises:
            ServiceError: The service failed, or gives none.
        """
        client = self._client(experiment_name, run_id)
        return self.patience.ask(f"Asking for the token of run {run_id}", client.get_token)

    def _client(self, experiment_name: str, run_id: str) -> Any:
        from azureml._restclient.run_client import RunClient  # noqa: PLC0415

        return RunClient(self.workspace.service_context, experiment_name, run_id)
