"""Which nodes share a step: as few groups as possible, and never a cycle between them.

An acyclic grouping is an order of the nodes, each after its parents, that is cut where the key
changes; so the fewest groups are the fewest runs of one key in any such order. The search builds
the runs one after another and lets each take all that it can, which never costs a group: what is
done earlier holds nobody up. It keeps at most ``_WIDTH`` unfinished orders, so it is exact while
there are fewer than that (always, up to seven nodes), and greedy beyond.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

_WIDTH = 64
"""Unfinished orders that are kept. Up to 7 nodes there are never more than C(7, 3) = 35."""

_EFFORT = 64_000
"""Kept orders times nodes, so that time grows with the pipeline and not with its square."""

ALONE = None
"""Key of a node that shares its step with no other."""


@dataclass(frozen=True)
class Link:
    """A dependency between two nodes."""

    parent: str
    child: str


@dataclass(frozen=True)
class Split:
    """Nodes of one key that cannot be one group, and the cycle that they would make.

    Attributes:
        key: What the nodes have in common.
        cycle: Links that lead out of the key and back into it, one for each key passed.
    """

    key: Hashable
    cycle: tuple[Link, ...]


@dataclass(frozen=True)
class Grouping:
    """The groups in an order in which they can run, and what could not be one group."""

    groups: tuple[tuple[str, ...], ...]
    splits: tuple[Split, ...]


@dataclass(frozen=True)
class _State:
    """An unfinished order: its runs, and what may follow."""

    done: int
    ready: tuple[int, ...]
    waiting: tuple[int, ...]
    runs: tuple[tuple[int, ...], ...]


class _Graph:
    """Nodes as numbers in a topological order, with their labels."""

    def __init__(
        self,
        order: Sequence[str],
        parents: Mapping[str, Collection[str]],
        keys: Mapping[str, Hashable],
    ) -> None:
        number = {name: index for index, name in enumerate(order)}
        labels: dict[Hashable, int] = {}
        self.order = order
        self.label = [
            labels.setdefault(("alone", name) if keys[name] is ALONE else ("key", keys[name]), i)
            for i, name in enumerate(order)
        ]
        self.parents = [sorted(number[parent] for parent in parents[name]) for name in order]
        self.children: list[list[int]] = [[] for _ in order]
        for child, its_parents in enumerate(self.parents):
            for parent in its_parents:
                self.children[parent].append(child)


def group_nodes(
    order: Sequence[str],
    parents: Mapping[str, Collection[str]],
    keys: Mapping[str, Hashable],
) -> Grouping:
    """Group nodes of equal keys into as few acyclic groups as the search finds.

    Args:
        order: All nodes, each after its parents.
        parents: Node -> the nodes it depends on.
        keys: Node -> what the nodes of a group must agree in; `ALONE` for a group of its own.

    Returns:
        Every node in exactly one group, each group in the order given. A key that no cycle
        touches is never split.
    """
    graph = _Graph(order, parents, keys)
    groups: list[list[int]] = []
    splits: list[Split] = []
    for component in _components(graph):
        members = [i for i in range(len(order)) if graph.label[i] in component]
        if len(component) == 1:
            groups.append(members)
            continue
        runs = _fewest_runs(graph, members)
        groups.extend(sorted(run) for run in runs)
        for label in _repeated(graph.label[run[0]] for run in runs):
            cycle = tuple(
                Link(graph.order[parent], graph.order[child])
                for parent, child in _cycle_through(graph, label, component)
            )
            splits.append(Split(keys[order[label]], cycle))
    ordered = _toposort(graph, groups)
    return Grouping(
        tuple(tuple(order[i] for i in group) for group in ordered),
        tuple(splits),
    )


def find_cycle(
    groups: Sequence[Sequence[str]], parents: Mapping[str, Collection[str]]
) -> tuple[int, ...]:
    """Return the numbers of the groups that cannot be ordered, or nothing.

    Args:
        groups: Nodes by group.
        parents: Node -> the nodes it depends on.
    """
    home = {name: index for index, group in enumerate(groups) for name in group}
    before: dict[int, set[int]] = {index: set() for index in range(len(groups))}
    for name, index in home.items():
        before[index].update(home[p] for p in parents[name] if home[p] != index)
    while free := {index for index, needed in before.items() if not needed & before.keys()}:
        before = {index: needed for index, needed in before.items() if index not in free}
    return tuple(before)


def _repeated(labels: Iterable[int]) -> list[int]:
    seen: set[int] = set()
    repeated: dict[int, None] = {}
    for label in labels:
        if label in seen:
            repeated[label] = None
        seen.add(label)
    return list(repeated)


def _label_edges(graph: _Graph) -> dict[int, dict[int, tuple[int, int]]]:
    """Label -> label it leads to -> the first pair of nodes that makes it so."""
    edges: dict[int, dict[int, tuple[int, int]]] = {label: {} for label in graph.label}
    for child, its_parents in enumerate(graph.parents):
        for parent in its_parents:
            source, target = graph.label[parent], graph.label[child]
            if source != target:
                edges[source].setdefault(target, (parent, child))
    return edges


def _components(graph: _Graph) -> list[frozenset[int]]:
    """Return the strongly connected components of the labels (Tarjan, without recursion)."""
    edges = _label_edges(graph)
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[frozenset[int]] = []
    for root in edges:
        if root in index:
            continue
        work = [(root, iter(edges[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            label, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(edges[target])))
                    break
                if target in on_stack:
                    low[label] = min(low[label], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[label])
                if low[label] == index[label]:
                    cut = stack.index(label)
                    component = frozenset(stack[cut:])
                    del stack[cut:]
                    on_stack -= component
                    found.append(component)
    return found[::-1]


def _cycle_through(graph: _Graph, label: int, component: Collection[int]) -> list[tuple[int, int]]:
    """Return the shortest way from a label back to itself, as pairs of nodes."""
    edges = _label_edges(graph)
    came: dict[int, tuple[int, tuple[int, int]]] = {}
    queue = deque([label])
    while queue:
        here = queue.popleft()
        for target, pair in edges[here].items():
            if target == label:
                way = [pair]
                while here != label:
                    here, earlier = came[here]
                    way.append(earlier)
                return way[::-1]
            if target in component and target not in came:
                came[target] = (here, pair)
                queue.append(target)
    return []


def _fewest_runs(graph: _Graph, members: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Order ``members`` into few runs of one label, each after the runs it needs."""
    width = max(1, min(_WIDTH, _EFFORT // len(members)))
    inside = set(members)
    position = {node: index for index, node in enumerate(members)}
    children = [[position[c] for c in graph.children[node] if c in inside] for node in members]
    labels = [graph.label[node] for node in members]
    waiting = tuple(sum(p in inside for p in graph.parents[node]) for node in members)
    size = {label: labels.count(label) for label in set(labels)}
    everything = (1 << len(members)) - 1
    ready = tuple(i for i, count in enumerate(waiting) if not count)
    frontier = [_State(0, ready, waiting, ())]
    while True:
        following: dict[int, _State] = {}
        for state in frontier:
            for successor in _successors(state, labels, children, size):
                following.setdefault(successor.done, successor)
        if everything in following:
            runs = following[everything].runs
            return tuple(tuple(members[i] for i in run) for run in runs)
        frontier = _best(list(following.values()), width)


def _successors(
    state: _State, labels: Sequence[int], children: Sequence[Sequence[int]], size: Mapping[int, int]
) -> list[_State]:
    successors = []
    for label in dict.fromkeys(labels[i] for i in state.ready):
        successor = _run(state, label, labels, children)
        done_of_label = sum(len(run) for run in successor.runs if labels[run[0]] == label)
        if done_of_label == size[label]:
            # a label that can be finished now costs this one run whenever it is finished
            return [successor]
        successors.append(successor)
    return successors


def _run(
    state: _State, label: int, labels: Sequence[int], children: Sequence[Sequence[int]]
) -> _State:
    """Let one label take every node that it can reach."""
    waiting = list(state.waiting)
    ready = [i for i in state.ready if labels[i] != label]
    run = [i for i in state.ready if labels[i] == label]
    done = state.done
    for node in run:  # grows while it is walked
        done |= 1 << node
        for child in children[node]:
            waiting[child] -= 1
            if not waiting[child]:
                (run if labels[child] == label else ready).append(child)
    return _State(done, tuple(sorted(ready)), tuple(waiting), (*state.runs, tuple(run)))


def _best(states: list[_State], width: int) -> list[_State]:
    """Drop what another state is ahead of in everything, then all but the furthest."""
    states.sort(key=lambda state: (-state.done.bit_count(), state.done))
    kept: list[_State] = []
    for state in states:
        if len(kept) == width:
            break
        if not any(state.done | other.done == other.done for other in kept):
            kept.append(state)
    return kept


def _toposort(graph: _Graph, groups: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """Order groups so that each comes after those it needs, the earliest node first."""
    home = {node: index for index, group in enumerate(groups) for node in group}
    needed = [
        {home[p] for node in group for p in graph.parents[node]} - {index}
        for index, group in enumerate(groups)
    ]
    followers: list[list[int]] = [[] for _ in groups]
    for index, its_needed in enumerate(needed):
        for other in its_needed:
            followers[other].append(index)
    missing = [len(its_needed) for its_needed in needed]
    free = sorted((groups[i][0], i) for i, count in enumerate(missing) if not count)
    ordered: list[Sequence[int]] = []
    while free:
        _, index = free.pop(0)
        ordered.append(groups[index])
        for follower in followers[index]:
            missing[follower] -= 1
            if not missing[follower]:
                free.append((groups[follower][0], follower))
                free.sort()
    return ordered
