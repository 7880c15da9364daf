"""Files of runs: uploaded, listed, downloaded, followed while written; and names that are refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

Artifacts = Callable[..., httpx.Response]

OUTSIDE = ["../up.txt", "a/../../up.txt", "/etc/passwd", "a\\b", "..", "", "./."]


@pytest.fixture
def run(workspace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A run that is started in a folder of its own: the SDK uploads outputs and logs from there."""
    from azureml.core import Experiment

    monkeypatch.chdir(tmp_path)
    experiment = Experiment(workspace, "artifacts")
    with experiment.start_logging(snapshot_directory=None) as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "top.txt").write_text("top")
    (tmp_path / "in" / "deep" / "low.txt").write_text("low")
    return tmp_path / "in"


@pytest.fixture(scope="module")
def artifacts(loopback: Any, workspace: Any) -> Iterator[Artifacts]:
    """Ask the artifact service: verb, and path below ``artifacts``."""
    scope = workspace.service_context._get_workspace_scope()
    base = f"https://loopback.api.azureml.ms/artifact/v2.0{scope}/artifacts"
    with loopback.client(Authorization=f"Bearer {loopback.token()}") as client:

        def ask(method: str, path: str, **request: Any) -> httpx.Response:
            return client.request(method, f"{base}/{path}", **request)

        yield ask


def files_of(run: Any) -> list[str]:
    """Return the names of a run's files, but for the log that the SDK itself adds."""
    return sorted(name for name in run.get_file_names() if name != "logs/user_log.txt")


class TestFiles:
    def test_go_up_and_come_down(self, run: Any, folder: Path, tmp_path: Path) -> None:
        run.upload_file("outputs/one.txt", str(folder / "top.txt"))
        run.upload_folder("outputs/all", str(folder))
        run.upload_files(
            ["x/1.txt", "x/2.txt"], [str(folder / "top.txt"), str(folder / "deep/low.txt")]
        )
        assert files_of(run) == [
            "outputs/all/deep/low.txt",
            "outputs/all/top.txt",
            "outputs/one.txt",
            "x/1.txt",
            "x/2.txt",
        ]
        run.download_file("x/2.txt", str(tmp_path / "two.txt"))
        assert (tmp_path / "two.txt").read_text() == "low"
        run.download_files(prefix="outputs/all", output_directory=str(tmp_path / "out"))
        found = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
        assert [path.relative_to(tmp_path / "out").as_posix() for path in found] == [
            "outputs/all/deep/low.txt",
            "outputs/all/top.txt",
        ]

    def test_are_written_once(self, run: Any, folder: Path) -> None:
        run.upload_file("a.txt", str(folder / "top.txt"))
        with pytest.raises(Exception, match=r"UserError: Resource Conflict: .*/a\.txt already"):
            run.upload_file("a.txt", str(folder / "deep/low.txt"))

    def test_asked_for_twice_but_not_written_are_no_conflict(
        self, run: Any, artifacts: Artifacts
    ) -> None:
        command = {"paths": [{"path": "a.txt"}]}
        for _ in range(2):
            answer = artifacts("POST", f"batch/metadata/ExperimentRun/dcid.{run.id}", json=command)
            assert answer.json()["errors"] == {}

    def test_in_the_outputs_folder_go_up_at_the_end(self, run: Any, tmp_path: Path) -> None:
        other = run.experiment.start_logging(snapshot_directory=None)
        (tmp_path / "outputs" / "model.txt").write_text("weights")
        other.complete()
        (tmp_path / "outputs" / "model.txt").unlink()  # or the first run would upload it as well
        other.download_file("outputs/model.txt", str(tmp_path / "back.txt"))
        assert (tmp_path / "back.txt").read_text() == "weights"

    def test_have_names_with_spaces_and_accents(
        self, run: Any, artifacts: Artifacts, folder: Path, tmp_path: Path
    ) -> None:
        for name in ("two words.txt", "été/ñ~1 (b).txt"):
            run.upload_file(name, str(folder / "top.txt"))
            run.download_file(name, str(tmp_path / "back.txt"))
            assert (tmp_path / "back.txt").read_text() == "top"
            place = f"content/ExperimentRun/dcid.{run.id}/{quote(name)}"
            assert artifacts("GET", place).text == "top"

    def test_keep_all_bytes(self, run: Any, tmp_path: Path) -> None:
        data = bytes(range(256)) * 40_000  # ten megabytes: more than one block
        (tmp_path / "big.bin").write_bytes(data)
        run.upload_file("big.bin", str(tmp_path / "big.bin"))
        run.download_file("big.bin", str(tmp_path / "back.bin"))
        assert (tmp_path / "back.bin").read_bytes() == data

    def test_of_a_folder_are_not_those_of_a_longer_name(self, run: Any, folder: Path) -> None:
        run.upload_file("outputs/a.txt", str(folder / "top.txt"))
        run.upload_file("outputs2/b.txt", str(folder / "top.txt"))
        client = run._client.artifacts
        found = client.get_files_by_artifact_prefix_id(f"ExperimentRun/dcid.{run.id}/outputs")
        assert [path for path, _ in found] == ["outputs/a.txt"]

    def test_missing_says_which_there_are(self, run: Any, folder: Path, tmp_path: Path) -> None:
        run.upload_file("there.txt", str(folder / "top.txt"))
        with pytest.raises(Exception, match=r"(?s)gone\.txt was not found.*there\.txt"):
            run.download_file("gone.txt", str(tmp_path / "gone.txt"))

    def test_by_hundreds_come_in_pages(self, run: Any, artifacts: Artifacts) -> None:
        names = [f"many/{index:04}.txt" for index in range(1001)]
        command = {"paths": [{"path": name} for name in names]}
        made = artifacts("POST", f"batch/metadata/ExperimentRun/dcid.{run.id}", json=command)
        assert made.json()["errors"] == {}
        assert files_of(run) == names

    def test_on_another_datastore_stay_there(
        self, workspace: Any, run: Any, folder: Path, tmp_path: Path
    ) -> None:
        run.upload_file("a.txt", str(folder / "top.txt"), datastore_name="workspaceblobstore")
        run.download_file("a.txt", str(tmp_path / "a.txt"))
        assert (tmp_path / "a.txt").read_text() == "top"
        store = workspace.get_default_datastore()
        store.download(str(tmp_path / "from"), prefix=f"ExperimentRun/dcid.{run.id}")
        assert [path.name for path in (tmp_path / "from").rglob("*.txt")] == ["a.txt"]


class TestLogs:
    def test_are_in_the_details(self, run: Any, folder: Path, tmp_path: Path) -> None:
        run.upload_file("user_logs/std_log.txt", str(folder / "top.txt"))
        run.upload_file("outputs/model.pkl", str(folder / "top.txt"))
        logs = run.get_details_with_logs()["logFiles"]
        assert logs["user_logs/std_log.txt"] == "top"
        assert "outputs/model.pkl" not in logs
        run.get_all_logs(destination=str(tmp_path / "all"))
        assert (tmp_path / "all" / "user_logs" / "std_log.txt").read_text() == "top"

    def test_grow_while_they_are_read(self, run: Any, artifacts: Artifacts) -> None:
        place = f"content/ExperimentRun/dcid.{run.id}/user_logs/std_log.txt"
        for line in ("one\n", "two\n"):
            written = artifacts("POST", place, params={"append": "true"}, content=line)
            assert written.status_code == 200
            assert artifacts("GET", place).text.endswith(line)
        assert artifacts("GET", place).text == "one\ntwo\n"

    def test_are_sent_by_the_sdk_while_a_run_goes_on(self, run: Any, tmp_path: Path) -> None:
        with run.experiment.start_logging(snapshot_directory=None) as other:
            (tmp_path / "logs" / "out.txt").write_text("first\nsecond\n")
        other.download_file("logs/out.txt", str(tmp_path / "back.txt"))
        assert (tmp_path / "back.txt").read_text() == "first\nsecond\n"


class TestRefusals:
    @pytest.mark.parametrize("name", OUTSIDE)
    def test_names_that_would_leave_the_run(
        self, run: Any, artifacts: Artifacts, name: str
    ) -> None:
        command = {"paths": [{"path": name}, {"path": "fine.txt"}]}
        answer = artifacts("POST", f"batch/metadata/ExperimentRun/dcid.{run.id}", json=command)
        body = answer.json()
        assert list(body["artifacts"]) == ["fine.txt"]
        assert "is no artifact name" in body["errors"][name]["error"]["message"]

    @pytest.mark.parametrize("kind", ["content", "write", "contentinfo", "metadata"])
    def test_encoded_names_that_would_leave_the_run(
        self, run: Any, artifacts: Artifacts, kind: str
    ) -> None:
        name = quote("../../Other/secret.txt", safe="")
        refused = artifacts("GET", f"{kind}/ExperimentRun/dcid.{run.id}/{name}")
        assert (refused.status_code, "is no artifact name" in refused.text) == (400, True)

    def test_the_sdk_says_so(self, run: Any, folder: Path) -> None:
        with pytest.raises(Exception, match="is no artifact name"):
            run.upload_file("../up.txt", str(folder / "top.txt"))
        assert not files_of(run)

    @pytest.mark.parametrize("origin", ["..", "a%2Fb", "."])
    def test_origins_that_are_none(self, artifacts: Artifacts, origin: str) -> None:
        answer = artifacts("POST", f"content/{origin}/c/a.txt", content=b"x")
        assert answer.status_code in {400, 501}

    def test_without_a_token_nothing_is_told(self, loopback: Any, workspace: Any) -> None:
        scope = workspace.service_context._get_workspace_scope()
        url = f"https://loopback.api.azureml.ms/artifact/v2.0{scope}/artifacts/ExperimentRun/dcid.x"
        with loopback.client() as client:
            assert client.get(url).status_code == 401

    def test_a_signature_for_reading_does_not_write(
        self, loopback: Any, run: Any, folder: Path
    ) -> None:
        run.upload_file("a.txt", str(folder / "top.txt"))
        url = run._client.artifacts.get_artifact_uri("ExperimentRun", f"dcid.{run.id}", "a.txt")
        with loopback.client() as client:
            assert client.get(url).text == "top"
            block = {"x-ms-blob-type": "BlockBlob"}
            assert client.put(url, content=b"forged", headers=block).status_code == 403
            assert client.get(url.partition("?")[0]).status_code in {403, 404, 409}

    def test_blobs_of_another_account_are_not_taken_in(
        self, run: Any, artifacts: Artifacts
    ) -> None:
        command = {"containerUri": "https://elsewhere.blob.core.windows.net/c", "containerSas": "?"}
        place = f"batch/ingest/containersas/ExperimentRun/dcid.{run.id}"
        refused = artifacts("POST", place, json=command)
        assert (refused.status_code, "elsewhere" in refused.text) == (400, True)


class TestOtherRoutes:
    def test_delete_forgets_and_hard_delete_removes(
        self, run: Any, artifacts: Artifacts, folder: Path
    ) -> None:
        place = f"ExperimentRun/dcid.{run.id}"
        for name in ("a.txt", "b.txt", "c.txt"):
            run.upload_file(name, str(folder / "top.txt"))
        hard = {"hardDelete": "true"}
        assert artifacts("DELETE", f"metadata/{place}/a.txt", params=hard).status_code == 200
        assert files_of(run) == ["b.txt", "c.txt"]
        assert artifacts("GET", f"content/{place}/a.txt").status_code == 404
        assert artifacts("DELETE", f"batch/{place}", params=hard).status_code == 200
        assert files_of(run) == []

    def test_blobs_of_a_container_become_artifacts(
        self, workspace: Any, run: Any, artifacts: Artifacts, folder: Path
    ) -> None:
        store = workspace.get_default_datastore()
        prefix = f"ingest-{uuid.uuid4().hex}"
        store.upload(str(folder), target_path=prefix, show_progress=False)
        container = f"https://{store.account_name}.blob.core.windows.net/{store.container_name}"
        command = {"containerUri": container, "prefix": prefix, "artifactPrefix": "outputs"}
        place = f"batch/ingest/containersas/ExperimentRun/dcid.{run.id}"
        assert artifacts("POST", place, json=command).status_code == 200
        assert files_of(run) == ["outputs/deep/low.txt", "outputs/top.txt"]

    def test_the_run_history_lists_them_too(self, run: Any, folder: Path) -> None:
        from azureml._restclient.run_artifacts_client import RunArtifactsClient

        run.upload_file("outputs/a.txt", str(folder / "top.txt"))
        experiment = run.experiment
        client = RunArtifactsClient(experiment.workspace.service_context, experiment.name)
        assert "outputs/a.txt" in set(client.get_file_paths(run.id))
        found = client.get_artifact_content(run.id, "outputs/a.txt")
        assert found.content_uri.startswith("https://")
