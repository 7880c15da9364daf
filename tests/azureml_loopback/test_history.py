"""Experiments and runs: made, found, tagged, ended, by the real SDK; and what the service refuses."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from azureml_loopback.errors import BadRequest, Conflict, NotFound
from azureml_loopback.services.history import state
from azureml_loopback.store import Store

Services = Callable[..., httpx.Response]


@pytest.fixture(scope="module", autouse=True)
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave the folders for outputs and logs, which the SDK makes where it is, out of the project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("work"))
        yield


@pytest.fixture(scope="module")
def experiment(workspace: Any) -> Any:
    from azureml.core import Experiment

    return Experiment(workspace, f"history-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def services(loopback: Any, workspace: Any) -> Iterator[Services]:
    """Ask a service of the workspace: verb, service and version, path below the workspace."""
    scope = workspace.service_context._get_workspace_scope()
    with loopback.client(Authorization=f"Bearer {loopback.token()}") as client:

        def ask(method: str, service: str, path: str, **request: Any) -> httpx.Response:
            url = f"https://loopback.api.azureml.ms/{service}{scope}/{path}"
            return client.request(method, url, **request)

        yield ask


def start(experiment: Any, **options: Any) -> Any:
    return experiment.start_logging(snapshot_directory=None, **options)


@pytest.fixture(scope="module")
def family(experiment: Any) -> Any:
    """A run with two children, one of which has a child of its own."""
    with start(experiment) as top:
        with top.child_run("fold") as fold:
            fold.tag("fold", "3")
            fold.add_properties({"kind": "validation"})
            with fold.child_run("inner") as inner:
                inner.tag("deep")
        with top.child_run("other") as other:
            pass
    return top, fold, inner, other


@pytest.fixture(scope="module")
def listed(workspace: Any) -> Any:
    """An experiment with three runs, one of which has a child."""
    from azureml.core import Experiment

    experiment = Experiment(workspace, f"listed-{uuid.uuid4().hex[:8]}")
    with start(experiment) as first:
        first.tag("best", 'a "quoted" and (odd) value')
        with first.child_run("child"):
            pass
    with start(experiment) as second:
        second.add_properties({"seed": "1"})
    third = start(experiment)
    third.fail("on purpose")
    return experiment, [run.id for run in (first, second, third)]


class TestExperiments:
    def test_the_same_name_is_the_same_experiment(self, workspace: Any, experiment: Any) -> None:
        from azureml.core import Experiment

        assert Experiment(workspace, experiment.name).id == experiment.id

    def test_is_listed_by_name_and_by_tag(self, workspace: Any) -> None:
        from azureml.core import Experiment

        tagged = Experiment(workspace, f"tagged-{uuid.uuid4().hex[:8]}")
        tagged.set_tags({"team": "titanic", "x": "1"})
        tagged.remove_tags(["x"])
        found = Experiment.list(workspace, tags={"team": "titanic"})
        assert [one.id for one in found] == [tagged.id]
        assert Experiment.list(workspace, experiment_name=tagged.name)[0].tags == {
            "team": "titanic"
        }

    def test_archived_is_out_of_the_list_until_it_is_reactivated(self, workspace: Any) -> None:
        from azureml.core import Experiment
        from azureml.core.experiment import ViewType

        old = Experiment(workspace, f"old-{uuid.uuid4().hex[:8]}")

        def names(view: str) -> set[str]:
            return {one.name for one in Experiment.list(workspace, view_type=view)}

        old.archive()
        assert old.name not in names(ViewType.ActiveOnly)
        assert old.name in names(ViewType.ArchivedOnly) & names(ViewType.All)
        old.reactivate()
        assert old.name in names(ViewType.ActiveOnly)
        assert old.archived_time is None

    def test_only_an_empty_one_is_deleted(self, workspace: Any, experiment: Any) -> None:
        from azureml.core import Experiment

        empty = Experiment(workspace, f"empty-{uuid.uuid4().hex[:8]}")
        Experiment.delete(workspace, empty.id)
        assert not Experiment.list(workspace, experiment_name=empty.name)
        start(experiment).complete()
        with pytest.raises(Exception, match="only an empty one is deleted"):
            Experiment.delete(workspace, experiment.id)


class TestRuns:
    def test_of_start_logging_runs_and_completes(self, experiment: Any) -> None:
        run = start(experiment, display_name="first try")
        assert (run.get_status(), run.display_name) == ("Running", "first try")
        run.complete()
        details = run.get_details()
        assert details["status"] == "Completed"
        assert details["startTimeUtc"] <= details["endTimeUtc"]
        assert details["submittedBy"] == "loopback@localhost"

    def test_as_a_context_fails_with_its_error(self, experiment: Any) -> None:
        with pytest.raises(ZeroDivisionError), start(experiment) as run:
            _ = 1 / 0
        assert run.get_status() == "Failed"
        assert "ZeroDivisionError" in run.get_details()["error"]["error"]["message"]

    def test_failed_says_why(self, experiment: Any) -> None:
        run = start(experiment)
        run.fail("no survivors", error_code="DataError")
        error = run.get_details()["error"]["error"]
        assert (error["code"], error["message"]) == ("DataError", "no survivors")

    def test_canceled_stays_canceled(self, experiment: Any) -> None:
        run = start(experiment)
        run.cancel()
        run.complete()
        assert run.get_status() == "Canceled"

    def test_is_found_by_its_id_alone(self, workspace: Any, experiment: Any) -> None:
        from azureml.core import Run

        run = start(experiment)
        found = Run.get(workspace, run.id)
        assert (found.id, found.experiment.name) == (run.id, experiment.name)
        run.complete()

    def test_unknown_is_not_found(self, workspace: Any) -> None:
        from azureml.core import Run

        with pytest.raises(Exception, match="There is no run 'nobody'"):
            Run.get(workspace, "nobody")

    def test_keeps_tags_and_properties(self, experiment: Any) -> None:
        run = start(experiment)
        run.tag("color", "red")
        run.tag("bare")
        run.set_tags({"color": "blue", "gone": "soon"})
        run.remove_tags(["gone"])
        run.add_properties({"source": "titanic.csv"})
        run.description = "the first one"
        assert run.get_tags() == {"color": "blue", "bare": None}
        assert run.get_properties()["source"] == "titanic.csv"
        assert run.description == "the first one"
        run.complete()

    def test_property_is_written_once(self, experiment: Any) -> None:
        run = start(experiment)
        run.add_properties({"source": "a.csv"})
        run.add_properties({"source": "a.csv", "rows": "891"})  # the same value is no change
        with pytest.raises(Exception, match=r"Property 'source' .* 'a\.csv'"):
            run.add_properties({"source": "b.csv"})
        assert run.get_properties().items() >= {"source": "a.csv", "rows": "891"}.items()
        run.complete()

    def test_warning_is_shown(self, experiment: Any) -> None:
        run = start(experiment)
        run._client.run.post_event_warning("Run", "cabin is mostly missing")
        run._client.run.post_event_heartbeat(30)
        assert run.get_details()["warnings"] == [
            {"source": "Run", "message": "cabin is mostly missing"}
        ]
        run.complete()

    def test_event_that_nobody_knows_is_refused(self, experiment: Any, services: Services) -> None:
        with start(experiment) as run:
            event = {"name": "Microsoft.MachineLearning.Run.Exploded", "data": {"RunId": run.id}}
            path = f"experiments/{experiment.name}/runs/{run.id}/events"
            refused = services("POST", "history/v1.0", path, json=event)
        assert (refused.status_code, "Exploded" in refused.text) == (501, True)

    def test_field_that_nobody_knows_is_refused(self, experiment: Any, services: Services) -> None:
        path = f"experiments/{experiment.name}/runs/{uuid.uuid4()}"
        refused = services("PATCH", "history/v1.0", path, json={"mood": "good"})
        assert (refused.status_code, "mood" in refused.text) == (501, True)

    def test_of_another_experiment_is_not_found(
        self, workspace: Any, experiment: Any, services: Services
    ) -> None:
        from azureml.core import Experiment

        other = Experiment(workspace, f"other-{uuid.uuid4().hex[:8]}")
        with start(experiment) as run:
            path = f"experiments/{other.name}/runs/{run.id}"
            assert services("GET", "history/v1.0", path).status_code == 404
            assert services("PATCH", "history/v1.0", path, json={}).status_code == 409

    def test_has_a_token_of_its_own(self, experiment: Any, services: Services) -> None:
        with start(experiment) as run:
            path = f"experiments/{experiment.name}/runs/{run.id}"
            token = services("GET", "history/v1.0", f"{path}/token").json()["token"]
            own = {"Authorization": f"Bearer {token}"}
            assert services("GET", "history/v1.0", path, headers=own).json()["runId"] == run.id


class TestChildren:
    def test_are_those_right_below(self, family: Any) -> None:
        top, fold, _, other = family
        assert {run.id for run in top.get_children()} == {fold.id, other.id}

    def test_are_all_below_when_recursive(self, family: Any) -> None:
        top, fold, inner, other = family
        assert {run.id for run in top.get_children(recursive=True)} == {
            fold.id,
            inner.id,
            other.id,
        }
        assert [run.id for run in fold.get_children(recursive=True)] == [inner.id]

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({"tags": {"fold": "3"}}, ["fold"]),
            ({"tags": {"fold": "4"}}, []),
            ({"tags": "deep"}, ["inner"]),
            ({"properties": {"kind": "validation"}}, ["fold"]),
            ({"properties": "kind"}, ["fold"]),
            ({"status": "Failed"}, []),
            ({"status": "Completed"}, ["fold", "inner", "other"]),
        ],
    )
    def test_are_filtered(self, family: Any, wanted: dict[str, Any], found: list[str]) -> None:
        names = [run.name.rsplit(">", 1)[1] for run in family[0].get_children(True, **wanted)]
        assert sorted(names) == found

    def test_know_their_parent(self, family: Any) -> None:
        top, fold, inner, _ = family
        assert (inner.parent.id, fold.parent.id, top.parent) == (fold.id, top.id, None)

    def test_are_made_by_the_dozen(self, experiment: Any) -> None:
        with start(experiment) as top:
            made = list(top.create_children(tag_key="fold", tag_values=[str(i) for i in range(12)]))
        assert {run.get_status() for run in made} == {"Running"}
        found = top.get_children(tags={"fold": "7"})
        assert [run.id for run in found] == [made[7].id]


class TestLists:
    def test_come_newest_first_without_children(self, listed: Any) -> None:
        experiment, ids = listed
        assert [run.id for run in experiment.get_runs()] == ids[::-1]
        assert len(list(experiment.get_runs(include_children=True))) == 4

    def test_are_filtered(self, listed: Any) -> None:
        experiment, (first, second, third) = listed
        quoted = {"best": 'a "quoted" and (odd) value'}
        assert [run.id for run in experiment.get_runs(tags=quoted)] == [first]
        assert [run.id for run in experiment.get_runs(tags="best")] == [first]
        assert [run.id for run in experiment.get_runs(properties={"seed": "1"})] == [second]
        assert not list(experiment.get_runs(type="azureml.PipelineRun"))
        from azureml.core import Run

        assert [run.id for run in Run.list(experiment, status="Failed")] == [third]

    def test_reach_back_to_a_time(self, listed: Any) -> None:
        from azureml._restclient.experiment_client import ExperimentClient

        experiment, ids = listed
        client = ExperimentClient(experiment.workspace.service_context, experiment.name)
        now = datetime.now(timezone.utc)
        assert not list(client.get_runs(created_after=now + timedelta(hours=1)))
        found = client.get_runs(created_after=now - timedelta(hours=1), include_children=False)
        assert [run.run_id for run in found] == ids[::-1]

    def test_come_in_pages_that_lose_none(self, listed: Any) -> None:
        from azureml._restclient.experiment_client import ExperimentClient

        experiment, _ = listed
        client = ExperimentClient(experiment.workspace.service_context, experiment.name)
        runs = [run.run_id for run in client.get_runs(page_size=1, order_by=("CreatedUtc", "asc"))]
        assert len(runs) == len(set(runs)) == 4

    def test_are_counted_by_status(self, listed: Any, services: Services) -> None:
        path = f"experiments/{listed[0].name}/runcounts"
        counts = services("GET", "history/v1.0", path).json()
        assert (counts["completed"], counts["failed"], counts["running"]) == (3, 1, 0)

    def test_say_what_they_cannot_filter_by(self, listed: Any, services: Services) -> None:
        path = f"experiments/{listed[0].name}/runs:query"
        refused = services("POST", "history/v1.0", path, json={"filter": "Mood eq good"})
        assert (refused.status_code, "Mood" in refused.text) == (501, True)
        senseless = services("POST", "history/v1.0", path, json={"filter": "(Status eq Failed"})
        assert (senseless.status_code, "parenthesis" in senseless.text) == (400, True)


class TestFurtherRoutes:
    """What other clients than the SDK's own `Run` ask."""

    def test_a_run_is_reached_by_name_by_id_and_alone(
        self, family: Any, services: Services
    ) -> None:
        top, fold, _, other = family
        name, experiment_id = top.experiment.name, top.experiment.id
        for place in (f"experiments/{name}/runs", f"experimentids/{experiment_id}/runs", "runs"):
            path = f"{place}/{top.id}"
            assert services("GET", "history/v1.0", path).json()["runId"] == top.id
            details = services("GET", "history/v1.0", f"{path}/details").json()
            assert details["status"] == "Completed"
            children = services("GET", "history/v1.0", f"{path}/children").json()["value"]
            assert [run["runId"] for run in children] == [fold.id, other.id]

    def test_runs_are_queried_and_changed_by_the_experiments_id(
        self, family: Any, services: Services
    ) -> None:
        top, fold, *_ = family
        place = f"experimentids/{top.experiment.id}"
        wanted = {"filter": f"RunId eq {fold.id}"}
        found = services("POST", "history/v1.0", f"{place}/runs:query", json=wanted).json()
        assert [run["runId"] for run in found["value"]] == [fold.id]
        wanted = {"runs": [{"runId": fold.id, "tags": {"late": "1"}}, {"runId": "no id"}]}
        changed = services("PATCH", "history/v1.0", f"{place}/batch/runs", json=wanted).json()
        assert changed["runs"][fold.id]["tags"]["late"] == "1"
        assert "is no run id" in changed["errors"]["no id"]["error"]["message"]
        tags = {"tagsToModify": {"late": "2", "later": "3"}, "tagsToDelete": ["late"]}
        run = services("PATCH", "history/v1.0", f"{place}/runs/{fold.id}/tags", json=tags).json()
        assert run["tags"] == {"fold": "3", "later": "3"}
        services("DELETE", "history/v1.0", f"runs/{fold.id}/tags", json=["later"])
        assert fold.get_tags() == {"fold": "3"}
        wanted = {"runIds": [top.id, "gone"]}
        found = services("POST", "history/v1.0", f"{place}/runs/runIds", json=wanted).json()
        assert (list(found["runs"]), list(found["errors"])) == ([top.id], ["gone"])

    def test_a_run_is_canceled_by_its_path(self, experiment: Any, services: Services) -> None:
        run = start(experiment)
        path = f"experiments/{experiment.name}/runs/{run.id}/cancel"
        assert services("POST", "history/v1.0", path).json()["status"] == "Canceled"

    def test_runs_are_listed_by_compute(self, workspace: Any, experiment: Any) -> None:
        from azureml.core import Run

        with start(experiment) as run:
            run.tag("where", "here")
        compute = SimpleNamespace(workspace=workspace, name="local")  # what `Run` reads of one
        found = Run.list_by_compute(compute, tags={"where": "here"})
        assert [one.run_id for one in found] == [run.id]


class TestState:
    """What the engine relies on."""

    @pytest.fixture
    def store(self) -> Store:
        return Store(":memory:")

    @pytest.fixture
    def experiment_id(self, store: Store) -> str:
        return str(state.ensure_experiment(store, "titanic")["experimentId"])

    def test_root_is_the_topmost_run(self, store: Store, experiment_id: str) -> None:
        state.create_run(store, experiment_id, "top")
        state.create_run(store, experiment_id, "middle", parent_run_id="top")
        low = state.create_run(store, experiment_id, "low", parent_run_id="middle")
        assert low["rootRunId"] == "top"
        assert [run["runId"] for run in state.descendants(store, "top")] == ["middle", "low"]

    def test_times_come_with_statuses(self, store: Store, experiment_id: str) -> None:
        state.create_run(store, experiment_id, "run")
        assert state.set_status(store, "run", "Queued")["startTimeUtc"] is None
        running = state.set_status(store, "run", "Running")
        assert running["startTimeUtc"] is not None
        assert running["endTimeUtc"] is None
        done = state.set_status(store, "run", "Completed")
        assert done["endTimeUtc"] >= done["startTimeUtc"]
        assert [one["status"] for one in done["_statuses"]] == [
            "NotStarted",
            "Queued",
            "Running",
            "Completed",
        ]

    @pytest.mark.parametrize("last", ["Completed", "Failed", "Canceled"])
    def test_an_end_is_final(self, store: Store, experiment_id: str, last: str) -> None:
        state.create_run(store, experiment_id, "run")
        state.set_status(store, "run", last)
        for later in ("Running", "Completed", "Failed", "Canceled"):
            assert state.set_status(store, "run", later, error="late")["status"] == last
        assert "late" not in str(state.get_run(store, "run"))

    def test_one_asked_to_stop_does_not_start_again(self, store: Store, experiment_id: str) -> None:
        state.create_run(store, experiment_id, "run")
        state.set_status(store, "run", "CancelRequested")
        assert state.set_status(store, "run", "Running")["status"] == "CancelRequested"
        assert state.set_status(store, "run", "Canceled")["status"] == "Canceled"

    def test_an_id_is_taken_once(self, store: Store, experiment_id: str) -> None:
        state.create_run(store, experiment_id, "run")
        with pytest.raises(Conflict, match="'run'"):
            state.create_run(store, experiment_id, "run")
        other = state.ensure_experiment(store, "other")["experimentId"]
        with pytest.raises(Conflict, match="another experiment"):
            state.add_or_modify(store, other, {"runId": "run"})

    def test_no_run_is_without_experiment_or_parent(self, store: Store, experiment_id: str) -> None:
        with pytest.raises(NotFound):
            state.create_run(store, "nowhere", "run")
        with pytest.raises(NotFound, match="orphan"):
            state.create_run(store, experiment_id, "run", parent_run_id="orphan")
        assert state.find_run(store, "run") is None

    @pytest.mark.parametrize("name", ["", "../up", "a/b", "a b", "_x", "x" * 256])
    def test_names_are_names(self, store: Store, experiment_id: str, name: str) -> None:
        with pytest.raises(BadRequest, match="experiment name"):
            state.ensure_experiment(store, name)
        with pytest.raises(BadRequest, match="run id"):
            state.create_run(store, experiment_id, name)
