"""The table of operations: read from the SDK's clients, ticked by what passed tests saw answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from azureml_loopback import coverage

HERE = Path(__file__).parent
SEEN = HERE / "operations_seen.json"
TABLE = HERE.parent / "benchmarks" / "loopback_coverage.md"
WORKSPACE = (
    "subscriptions/0/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
)


@pytest.fixture(scope="module")
def known() -> coverage.Operations:
    return coverage.sdk_operations()


def test_the_sdks_operations_are_read_from_its_source(known: coverage.Operations) -> None:
    assert len(known.all) > 400
    by_key = {operation.key: operation for operation in known.all}
    # msrest's clients, the pipelines' client, azure-core's clients, an operation that is polled
    assert (
        "Run.get"
        in by_key["GET /history/v1.0/{scope}/experiments/{experimentName}/runs/{runId}"].names
    )
    assert (
        by_key["POST /pipelines/v1.0/{scope}/PipelineRuns/Submit/{pipelineRunId}"].service
        == "pipelines"
    )
    assert by_key["PATCH /modelregistry/v1.0/{scope}/models/{id}"].names == ("Models.patch",)
    assert "Workspaces.delete" in by_key["DELETE /{scope}"].names


@pytest.mark.parametrize(
    ("verb", "path", "key"),
    [
        ("GET", f"/{WORKSPACE}", "GET /{scope}"),
        ("GET", f"/{WORKSPACE.lower()}/computes/c", "GET /{scope}/computes/{computeName}"),
        ("GET", f"/content/v1.0/{WORKSPACE}/snapshots/latest/metadata", "GET /content/v1.0/{scope}/snapshots/latest/metadata"),
        ("GET", f"/content/v1.0/{WORKSPACE}/snapshots/s/metadata", "GET /content/v1.0/{scope}/snapshots/{snapshotId}/metadata"),
        ("GET", f"//{WORKSPACE}/computes", "GET /{scope}/computes"),
        ("GET", f"/artifact/v2.0/{WORKSPACE}/artifacts/metadata/ExperimentRun/dcid.r/outputs/a/b.txt", "GET /artifact/v2.0/{scope}/artifacts/metadata/{origin}/{container}/{path}"),
        ("POST", f"/hyperdrive/v1.0/{WORKSPACE}/hdruns/h", "POST /{arm_scope}/hdruns/{run_id}"),
    ],
)  # fmt: skip
def test_a_request_is_known_by_verb_and_path(
    known: coverage.Operations, verb: str, path: str, key: str
) -> None:
    operation = known.match(verb, path)
    assert operation is not None
    assert operation.key == key


def test_only_success_is_seen(known: coverage.Operations) -> None:
    own = coverage.Operations([coverage.Operation("/discovery/workspaces/{id}", "GET")])
    requests = [
        {"method": "GET", "path": f"/{WORKSPACE}", "status": 200},
        {"method": "GET", "path": "/discovery/workspaces/1", "status": 204},
        {"method": "PUT", "path": f"/{WORKSPACE}", "status": 501},
        {"method": "GET", "path": "/loopback/health", "status": 200},
    ]
    assert coverage.seen(requests, known, own) == {"GET /{scope}", "GET /discovery/workspaces/{id}"}


def test_the_committed_table_is_made_of_the_committed_record(known: coverage.Operations) -> None:
    made = coverage.table(known, coverage.read_seen(SEEN))
    assert TABLE.read_text(encoding="utf-8") == made, (
        f"make it anew: python -m azureml_loopback coverage {SEEN} > {TABLE}"
    )


def test_no_tick_without_a_passed_test(operations_seen: set[str]) -> None:
    claimed = set(coverage.read_seen(SEEN))
    assert claimed <= operations_seen, (
        f"what this session saw is in .pytest_cache/v/azureml_loopback/operations_seen: copy it to {SEEN}"
    )
