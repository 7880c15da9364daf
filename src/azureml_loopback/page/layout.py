"""Where the boxes and lines of a graph go: layers from top to bottom, few crossings, no overlaps.

Layered drawing as by Sugiyama: a box lies below all that it depends on; a line over several layers
bends at a point in each; boxes stand in their layer where their neighbours pull them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

BOX_WIDTH, BOX_HEIGHT = 208, 52
GAP_ACROSS, GAP_DOWN = 28, 44
BEND_WIDTH = 12
MARGIN = 16
_SWEEPS = 8

_STEP = BOX_HEIGHT + GAP_DOWN

Edge = tuple[str, str]
Point = tuple[float, float]
Rows = list[list[str]]


@dataclass(frozen=True)
class Picture:
    """A graph that has been laid out.

    Attributes:
        width: Of the whole.
        height: Of the whole.
        boxes: Node -> its centre.
        lines: For each edge, the points from the bottom of its source to the top of its target.
    """

    width: float
    height: float
    boxes: Mapping[str, Point]
    lines: Mapping[Edge, Sequence[Point]]


@dataclass(frozen=True)
class _Joints:
    """What each node and each bend is joined to, and each edge from end to end."""

    above: Mapping[str, Sequence[str]]
    below: Mapping[str, Sequence[str]]
    chains: Mapping[Edge, Sequence[str]]


def lay_out(nodes: Sequence[str], edges: Iterable[Edge]) -> Picture:
    """Place nodes and edges; edges from or to unknown nodes, and those in a cycle, are left out."""
    known = set(nodes)
    wanted = dict.fromkeys((a, b) for a, b in edges if a in known and b in known)
    depth = _depths(nodes, list(wanted))
    chains = {
        (a, b): [a, *(f"{a}\0{b}\0{level}" for level in range(depth[a] + 1, depth[b])), b]
        for a, b in wanted
        if depth[a] < depth[b]
    }
    rows: Rows = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in nodes:
        rows[depth[name]].append(name)
    for (source, _), (_, *bends, _) in chains.items():
        for level, bend in enumerate(bends, depth[source] + 1):
            rows[level].append(bend)
    joints = _joints(rows, chains)
    for sweep in range(_SWEEPS):
        rows = _ordered(rows, joints, downwards=sweep % 2 == 0)
    return _picture(nodes, rows, _across(rows, joints, known), joints)


def _picture(
    nodes: Sequence[str], rows: Rows, across: Mapping[str, float], joints: _Joints
) -> Picture:
    known = set(nodes)
    left = min((x - _width(name, known) / 2 for name, x in across.items()), default=0.0)
    right = max((x + _width(name, known) / 2 for name, x in across.items()), default=0.0)
    centre = {
        name: (across[name] - left + MARGIN, MARGIN + BOX_HEIGHT / 2 + row * _STEP)
        for row, names in enumerate(rows)
        for name in names
    }
    return Picture(
        width=right - left + 2 * MARGIN,
        height=max(len(rows) * _STEP - GAP_DOWN, 0) + 2 * MARGIN,
        boxes={name: centre[name] for name in nodes},
        lines={edge: _line(chain, centre) for edge, chain in joints.chains.items()},
    )


def _depths(nodes: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Return each node's layer: one below the lowest that it depends on."""
    depth = dict.fromkeys(nodes, 0)
    waiting = {name: {a for a, b in edges if b == name} for name in nodes}
    while waiting:
        # in a cycle, none is ever ready
        ready = [n for n, causes in waiting.items() if not causes & waiting.keys()] or [*waiting]
        for name in ready:
            depth[name] = max((depth[a] + 1 for a in waiting[name] if a not in waiting), default=0)
        waiting = {name: causes for name, causes in waiting.items() if name not in ready}
    return depth


def _joints(rows: Rows, chains: Mapping[Edge, Sequence[str]]) -> _Joints:
    above: dict[str, list[str]] = {name: [] for row in rows for name in row}
    below: dict[str, list[str]] = {name: [] for row in rows for name in row}
    for chain in chains.values():
        for upper, lower in pairwise(chain):
            below[upper].append(lower)
            above[lower].append(upper)
    return _Joints(above, below, chains)


def _ordered(rows: Rows, joints: _Joints, *, downwards: bool) -> Rows:
    """Sort each layer by the mean place of its neighbours in the layer before."""
    neighbours = joints.above if downwards else joints.below
    place: dict[str, float] = {name: index for row in rows for index, name in enumerate(row)}
    ordered: Rows = []
    for row in rows if downwards else reversed(rows):
        wanted = {name: _mean([place[n] for n in neighbours[name]], place[name]) for name in row}
        ordered.append(sorted(row, key=wanted.__getitem__))
        place.update((name, index) for index, name in enumerate(ordered[-1]))
    return ordered if downwards else ordered[::-1]


def _across(rows: Rows, joints: _Joints, boxes: set[str]) -> dict[str, float]:
    """Return each node's place from left to right, near its neighbours' and clear of the next."""
    spaced = [(row, _offsets(row, boxes)) for row in rows]
    across = {
        name: offset - offsets[-1] / 2
        for row, offsets in spaced
        for name, offset in zip(row, offsets, strict=True)
    }
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        neighbours = joints.above if downwards else joints.below
        for row, offsets in spaced if downwards else reversed(spaced):
            pulled = [_mean([across[n] for n in neighbours[name]], across[name]) for name in row]
            across.update(zip(row, _spread(pulled, offsets), strict=True))
    return across


def _offsets(row: Sequence[str], boxes: set[str]) -> list[float]:
    """Return how far right of the first each must stand at least."""
    gaps = [(_width(a, boxes) + _width(b, boxes)) / 2 + GAP_ACROSS for a, b in pairwise(row)]
    return list(accumulate(gaps, initial=0.0)) if row else []


def _spread(wanted: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """Return the places nearest to the wanted ones that keep the distances of ``offsets``.

    Nearest by least squares: neighbours that want each other's place share the mean of what they
    want (isotonic regression by pooling).
    """
    pools: list[tuple[float, int]] = []  # sum and count
    for place, offset in zip(wanted, offsets, strict=True):
        pools.append((place - offset, 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, count = pools.pop()
            pools[-1] = (pools[-1][0] + total, pools[-1][1] + count)
    means = [total / count for total, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _line(chain: Sequence[str], centre: Mapping[str, Point]) -> list[Point]:
    """Return an edge's points; it passes a layer straight down."""
    half = BOX_HEIGHT / 2
    ends = [(centre[name][0], centre[name][1] + sign * half) for name in chain for sign in (-1, 1)]
    return ends[1:-1]


def _width(name: str, boxes: set[str]) -> float:
    return BOX_WIDTH if name in boxes else BEND_WIDTH


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
