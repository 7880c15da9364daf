"""Pipeline drafts: made, changed, run, published, copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pipeline_samples import Bench, printed, wait


@pytest.fixture
def bench(workspace: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    bench = Bench(workspace, tmp_path, request.node.originalname)
    bench.cluster("cpu", 4)
    return bench


def pipeline(bench: Bench, name: str = "say") -> Any:
    """One step that prints its name and the pipeline parameter ``word``."""
    from azureml.pipeline.core import Pipeline, PipelineParameter

    word = PipelineParameter("word", default_value="default")
    code = f"import sys; print('{name}', sys.argv[1:])"
    return Pipeline(bench.workspace, [bench.step(name, code, arguments=[word])])


def draft(bench: Bench, source: Any, **options: Any) -> Any:
    from azureml.pipeline.core import PipelineDraft

    return PipelineDraft.create(
        bench.workspace, pipeline=source, name=bench.experiment, description="a draft", **options
    )


def test_a_draft_is_changed_and_run(bench: Bench) -> None:
    from azureml.pipeline.core import PipelineDraft

    made = draft(
        bench,
        pipeline(bench),
        experiment_name=bench.experiment,
        pipeline_parameters={"word": "first"},
        tags={"kind": bench.experiment},
    )
    first = made.submit_run()
    made.update(name="changed", pipeline_parameters={"word": "second"})
    found = PipelineDraft.get(bench.workspace, made.id)
    assert (found.name, found.description, found.tags) == (
        "changed",
        "a draft",
        {"kind": bench.experiment},
    )
    assert found.last_submitted_pipeline_run_id == first.id
    second = found.submit_run()
    found.update(pipeline=pipeline(bench, "tell"))
    third = found.submit_run()
    assert {wait(run) for run in (first, second, third)} == {"Finished"}
    assert "say ['first']" in printed(first, "say")
    assert "say ['second']" in printed(second, "say")
    assert "tell [" in printed(third, "tell")


def test_drafts_are_listed_by_tags_and_deleted(bench: Bench) -> None:
    from azureml.pipeline.core import PipelineDraft

    ws, tags = bench.workspace, {"of": bench.experiment}
    made = draft(bench, pipeline(bench), experiment_name=bench.experiment, tags={**tags, "a": "b"})
    other = draft(bench, pipeline(bench), experiment_name=bench.experiment)
    assert [each.id for each in PipelineDraft.list(ws, tags=tags)] == [made.id]
    assert {made.id, other.id} <= {each.id for each in PipelineDraft.list(ws)}
    assert [node.name for node in made.get_graph().module_nodes] == ["say"]
    made.delete()
    assert PipelineDraft.list(ws, tags=tags) == []
    with pytest.raises(Exception, match=f"There is no pipeline draft '{made.id}'|Not Found"):
        PipelineDraft.get(ws, made.id)


def test_a_draft_is_published(bench: Bench) -> None:
    made = draft(
        bench,
        pipeline(bench),
        experiment_name=bench.experiment,
        pipeline_parameters={"word": "of the draft"},
    )
    published = made.publish()
    run = published.submit(bench.workspace, bench.experiment)
    assert wait(run) == "Finished"
    assert "say ['of the draft']" in printed(run, "say")


def test_drafts_are_made_of_runs_published_pipelines_and_drafts(bench: Bench) -> None:
    from azureml.core import Experiment

    source = pipeline(bench)
    run = Experiment(bench.workspace, bench.experiment).submit(
        source, pipeline_parameters={"word": "of the run"}
    )
    wait(run)
    of_run = draft(bench, run)
    published = source.publish(name="Published", description="to draft on", version="1")
    of_published = draft(bench, published)
    of_published.update(experiment_name=bench.experiment)
    of_draft = draft(bench, of_run)
    assert of_run.parent_pipeline_run_id == run.id
    assert of_published.parent_pipeline_id == published.id
    assert of_draft.parent_pipeline_draft_id == of_run.id
    words = {"of_run": "of the run", "of_published": "default", "of_draft": "of the run"}
    for made, word in zip((of_run, of_published, of_draft), words.values(), strict=True):
        again = made.submit_run()
        assert wait(again) == "Finished"
        assert f"say ['{word}']" in printed(again, "say")
