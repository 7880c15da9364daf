"""The plan's steps drawn as SVG, in columns from left to right."""

from __future__ import annotations

from html import escape

from azureml_deploy.plan import DeploymentPlan, Step
from azureml_deploy.wording import many

WIDTH, HEIGHT = 168, 64
GAP_X, GAP_Y = 132, 30
DROP = 46
"""Each column hangs lower than the one before, so an arrow over several columns passes above the
boxes between."""
MARGIN = 12
SHOWN_LETTERS = 18


def to_svg(plan: DeploymentPlan) -> str:
    """Draw boxes for steps, and curves for what crosses, with the datasets' names on them."""
    places = _places(plan)
    bottom = max((y for _, y in places.values()), default=0) + HEIGHT + MARGIN
    right = max((x for x, _ in places.values()), default=0) + WIDTH + MARGIN
    arrow = (
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="currentColor"/>'
        "</marker></defs>"
    )
    curves = _curves(_links(plan), places)
    boxes = [_box(step, *places[step.name]) for step in plan.steps]
    size = f'width="{right}" height="{bottom}" viewBox="0 0 {right} {bottom}"'
    inside = "".join((arrow, *curves, *boxes))
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{inside}</svg>'


def _links(plan: DeploymentPlan) -> dict[tuple[str, str], list[str]]:
    links: dict[tuple[str, str], list[str]] = {}
    for crossing in plan.crossings:
        if crossing.from_step and crossing.to_step:
            links.setdefault((crossing.from_step, crossing.to_step), []).append(crossing.dataset)
    return links


def _places(plan: DeploymentPlan) -> dict[str, tuple[int, int]]:
    """Put each step a column right of those it needs, and below its neighbours."""
    column: dict[str, int] = {}
    links = _links(plan)
    before: dict[str, list[str]] = {}
    for source, target in links:
        before.setdefault(target, []).append(source)
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for step in plan.steps:
        needed = [column[name] for name in before.get(step.name, ()) if name in column]
        mine = column[step.name] = max(needed, default=-1) + 1
        row = rows.get(mine, 0)
        rows[mine] = row + 1
        places[step.name] = (
            mine * (WIDTH + GAP_X) + MARGIN,
            row * (HEIGHT + GAP_Y) + mine * DROP + MARGIN,
        )
    return places


def _box(step: Step, x: int, y: int) -> str:
    count = many(len(step.nodes), "node")
    title = escape("\n".join(step.nodes))
    return (
        f'<g class="{step.kind}"><title>{title}</title>'
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8" '
        'fill="var(--paper)" stroke="currentColor" stroke-width="1.6"/>'
        f'<text x="{x + 12}" y="{y + 26}" font-size="14" font-weight="600">'
        f"{escape(_short(step.name))}</text>"
        f'<text x="{x + 12}" y="{y + 47}" font-size="12">{count}, '
        f"{escape(_short(step.compute))}</text></g>"
    )


def _curves(
    links: dict[tuple[str, str], list[str]], places: dict[str, tuple[int, int]]
) -> list[str]:
    """Draw the arrows; those of one box start and end apart from each other."""
    order = sorted(links, key=lambda link: (-places[link[1]][0], places[link[1]], places[link[0]]))
    leaving: dict[str, list[str]] = {}
    entering: dict[str, list[str]] = {}
    for source, target in order:
        leaving.setdefault(source, []).append(target)
        entering.setdefault(target, []).append(source)
    curves = []
    for source, target in order:
        start = _spread(places[source][1], leaving[source], target)
        end = _spread(places[target][1], entering[target], source)
        curves.append(
            _curve(
                (places[source][0] + WIDTH, start),
                (places[target][0] - 2, end),
                links[source, target],
            )
        )
    return curves


def _spread(top: int, others: list[str], other: str) -> int:
    """Return the height at which one of several arrows touches a box."""
    return top + HEIGHT * (others.index(other) + 1) // (len(others) + 1)


def _curve(source: tuple[int, int], target: tuple[int, int], datasets: list[str]) -> str:
    (x1, y1), (x2, y2) = source, target
    bend = x2 - GAP_X + 10
    middle = (bend + x2) // 2
    label = datasets[0] if len(datasets) == 1 else f"{len(datasets)} datasets"
    title = escape("\n".join(datasets))
    path = (
        f'<path d="M{x1} {y1}H{max(bend, x1)}C{middle} {y1} {middle} {y2} {x2} {y2}" fill="none" '
        'stroke="currentColor" stroke-opacity=".55" marker-end="url(#a)"/>'
    )
    return (
        f"<g><title>{title}</title>{path}"
        f'<text x="{x2 - 9}" y="{y2 - 4}" text-anchor="end" font-size="11" '
        'style="paint-order:stroke" stroke="var(--paper)" stroke-width="4">'
        f"{escape(_short(label))}</text></g>"
    )


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_LETTERS else f"{text[: SHOWN_LETTERS - 1]}…"
