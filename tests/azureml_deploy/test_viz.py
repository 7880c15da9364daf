"""The plan in Kedro-Viz: nodes in their steps' colours, read by Kedro-Viz itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from deploy_samples import planned
from foreign_project import edit, kedro, write_project
from kedro.pipeline import node

from azureml_deploy.errors import UsageError
from azureml_deploy.render.viz import COLOURS, STYLES_FILE, colours_of, to_styles, write_styles


def same(rows: Any) -> Any:
    return rows


def test_the_styles_are_kedro_vizs(tmp_path: Path) -> None:
    loader = pytest.importorskip("kedro_viz.integrations.kedro.data_loader")
    project = write_project(tmp_path / "orchard")
    edit(project, STYLES_FILE, json.dumps({"mine": {"fill": "red"}, "pick": {"fill": "red"}}))
    done = kedro(project, "azureml", "plan", "--viz")
    assert done.returncode == 0, done.stderr
    assert "See them with: kedro viz run" in done.stderr
    assert "harvest" in done.stderr
    extras = loader._create_node_extras_mapping(project)
    fills = {name: found.styles["fill"] for name, found in extras.items()}
    first, second = COLOURS[:2]
    assert fills == {"pick": first, "name_them": first, "count": second, "mine": "red"}


def test_a_name_of_two_steps_has_no_colour(values: dict[str, Any]) -> None:
    nodes = [
        node(same, "a", "b", name="load", namespace="one"),
        node(same, "b", "c", name="work", tags="big"),
        node(same, "c", "d", name="load", namespace="two"),
    ]
    values["steps"] = [{"tag": "big", "compute_target": "big"}]
    values["persist_memory_datasets"] = "parquet"
    outcome = planned(nodes, values, {}, {})
    assert len(outcome.plan.steps) == 3
    styles = to_styles(outcome.plan, {each.name: each for each in nodes})
    assert styles.keys() == {"work"}
    assert styles["work"]["fill"] == list(colours_of(outcome.plan).values())[1]


@pytest.mark.parametrize("text", ["{", "[]", "7"])
def test_another_file_is_left_alone(text: str, tmp_path: Path) -> None:
    edit(tmp_path, STYLES_FILE, text)
    with pytest.raises(UsageError, match=r"styles.json: cannot be read as Kedro-Viz's styles"):
        write_styles(tmp_path, {"a": {"fill": "red"}})
    assert (tmp_path / STYLES_FILE).read_text() == text
