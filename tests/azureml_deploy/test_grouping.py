"""The grouping: complete, acyclic, as few groups as brute force finds, and explained."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azureml_deploy.grouping import ALONE, find_cycle, group_nodes

Parents = dict[str, set[str]]
Keys = dict[str, str | None]


@st.composite
def labelled_dags(draw: st.DrawFn, largest: int) -> tuple[list[str], Parents, Keys]:
    size = draw(st.integers(1, largest))
    names = [f"n{i}" for i in range(size)]
    parents = {
        name: set(draw(st.lists(st.sampled_from(names[:i]), unique=True)) if i else [])
        for i, name in enumerate(names)
    }
    keys = {name: draw(st.sampled_from(["cpu", "gpu", "big", ALONE])) for name in names}
    return names, parents, keys


def partitions(names: Sequence[str]) -> Iterator[list[list[str]]]:
    if not names:
        yield []
        return
    first, *rest = names
    for partition in partitions(rest):
        yield [[first], *partition]
        for i, block in enumerate(partition):
            yield [*partition[:i], [first, *block], *partition[i + 1 :]]


def is_allowed(partition: list[list[str]], parents: Parents, keys: Keys) -> bool:
    return all(
        len({keys[name] for name in block}) == 1
        and (len(block) == 1 or keys[block[0]] is not ALONE)
        for block in partition
    ) and not find_cycle(partition, parents)


def fewest(names: list[str], parents: Parents, keys: Keys) -> int:
    return min(len(p) for p in partitions(names) if is_allowed(p, parents, keys))


@given(labelled_dags(largest=7))
@settings(max_examples=150, deadline=None)
def test_as_few_groups_as_brute_force(dag: tuple[list[str], Parents, Keys]) -> None:
    names, parents, keys = dag
    assert len(group_nodes(names, parents, keys).groups) == fewest(names, parents, keys)


@given(labelled_dags(largest=40))
@settings(max_examples=150, deadline=None)
def test_every_node_once_in_groups_that_can_run_in_their_order(
    dag: tuple[list[str], Parents, Keys],
) -> None:
    names, parents, keys = dag
    grouping = group_nodes(names, parents, keys)
    assert sorted(itertools.chain(*grouping.groups)) == sorted(names)
    home = {name: i for i, group in enumerate(grouping.groups) for name in group}
    assert all(home[p] <= home[name] for name in names for p in parents[name])
    assert is_allowed([list(group) for group in grouping.groups], parents, keys)
    assert grouping == group_nodes(names, parents, keys)


@given(labelled_dags(largest=25))
@settings(max_examples=150, deadline=None)
def test_a_split_key_lies_on_the_cycle_that_explains_it(
    dag: tuple[list[str], Parents, Keys],
) -> None:
    names, parents, keys = dag
    grouping = group_nodes(names, parents, keys)
    used = [keys[group[0]] for group in grouping.groups if keys[group[0]] is not ALONE]
    assert {key for key in used if used.count(key) > 1} == {split.key for split in grouping.splits}
    for split in grouping.splits:
        assert all(link.parent in parents[link.child] for link in split.cycle)
        assert keys[split.cycle[0].parent] == split.key == keys[split.cycle[-1].child]
        for link, following in itertools.pairwise(split.cycle):
            assert keys[link.child] == keys[following.parent]


def chain(*names: str) -> Parents:
    return {name: set(names[i - 1 : i]) for i, name in enumerate(names)}


@pytest.mark.parametrize(
    ("order", "parents", "keys", "groups"),
    [
        pytest.param(
            ["a", "b", "c"], chain("a", "b", "c"), "kkk", ["abc"], id="one key, one group"
        ),
        pytest.param(
            ["a", "b", "c"], chain("a", "b", "c"), "kjk", ["a", "b", "c"], id="interrupted"
        ),
        pytest.param(
            ["a", "b"], {"a": set(), "b": set()}, "kk", ["ab"], id="unrelated nodes share"
        ),
        pytest.param(
            ["a", "b", "c"], chain("a", "b", "c"), "k-k", ["a", "b", "c"], id="alone between"
        ),
        pytest.param(
            ["a", "b", "c", "d"],
            {"a": set(), "b": set(), "c": {"a"}, "d": {"b"}},
            "kjjk",
            ["a", "bc", "d"],
            id="two keys that would wait for each other",
        ),
    ],
)
def test_groups(order: list[str], parents: Parents, keys: str, groups: list[str]) -> None:
    by_name = {n: None if k == "-" else k for n, k in zip(order, keys, strict=True)}
    grouping = group_nodes(order, parents, by_name)
    assert len(grouping.groups) == len(groups)
    assert not find_cycle(grouping.groups, parents)


def test_cycle_is_found_where_there_is_one() -> None:
    parents = {"a": set(), "b": {"a"}, "c": {"b"}, "d": set()}
    assert find_cycle([["a", "c"], ["b"], ["d"]], parents) == (0, 1)
    assert find_cycle([["a"], ["b", "c"], ["d"]], parents) == ()


def test_the_first_group_takes_what_no_other_group_must_precede() -> None:
    order = ["load", "train", "extra", "report"]
    parents = {"load": set(), "train": {"load"}, "extra": set(), "report": {"train", "extra"}}
    keys = {"load": "cpu", "train": ALONE, "extra": "cpu", "report": "cpu"}
    assert group_nodes(order, parents, keys).groups == (("load", "extra"), ("train",), ("report",))
