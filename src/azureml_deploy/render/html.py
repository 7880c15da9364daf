"""The plan as one HTML file that needs nothing from the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from azureml_deploy.plan import DeploymentPlan, Finding, Step
from azureml_deploy.render.picture import to_svg
from azureml_deploy.wording import many, size_text

_CSS = """
:root{color-scheme:light dark;--line:#cfd6de;--soft:#f4f6f8;--ink:#1c2733;--paper:#fff;
--script:#2f6fb0;--automl:#a85b12;--register:#3d7f4e;--error:#b3261e;--warning:#8a6100}
@media (prefers-color-scheme:dark){:root{--line:#3a4550;--soft:#1c232b;--ink:#dde4ea;
--paper:#12171c;--script:#7fb4ea;--automl:#e8a35c;--register:#86c796;--error:#ff8a80;
--warning:#e7c16a}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:1180px;margin:2rem auto;padding:0 1.25rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .6rem}
p.sum{margin:.2rem 0 1rem;opacity:.8}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.4rem .7rem;border-bottom:1px solid var(--line)}
th{font-weight:600;background:var(--soft)}code{font:13px/1.5 ui-monospace,monospace}
.scroll{overflow-x:auto}.kind{font-weight:600}
.script{color:var(--script)}.automl{color:var(--automl)}.register{color:var(--register)}
.error{color:var(--error);font-weight:600}.warning{color:var(--warning);font-weight:600}
.finding{border-left:4px solid var(--line);padding:.3rem .8rem;margin:.5rem 0;
background:var(--soft)}
details summary{cursor:pointer}svg text{fill:currentColor}
"""


def to_html(plan: DeploymentPlan, forecast: Mapping[str, str]) -> str:
    """Return the page: picture, steps with their nodes, what crosses, boundaries, findings."""
    title = f"Plan of {escape(plan.experiment_name)}"
    nodes = sum(len(step.nodes) for step in plan.steps)
    errors = len(plan.errors)
    summary = (
        f"{many(nodes, 'Kedro node')} in {many(len(plan.steps), 'Azure ML step')}; "
        f"{many(errors, 'error')}, {many(len(plan.findings) - errors, 'warning')}"
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{title}</title><style>{_CSS}</style></head><body>",
            f'<h1>{title}</h1><p class="sum">{summary}</p>',
            f'<div class="scroll">{to_svg(plan)}</div>',
            *_section("Findings", _findings(plan.findings)),
            *_section("Steps", _steps(plan, forecast)),
            *_section("What crosses", _crossings(plan)),
            *_section("Why these are not one step", _boundaries(plan)),
            "</body></html>",
            "",
        ]
    )


def _section(title: str, lines: Iterable[str]) -> Iterable[str]:
    lines = list(lines)
    return [f"<h2>{title}</h2>", *lines] if lines else []


def _findings(findings: Iterable[Finding]) -> Iterable[str]:
    for finding in findings:
        yield (
            f'<div class="finding"><span class="{finding.severity}">{finding.code} '
            f"{finding.severity}</span> <strong>{escape(finding.place)}</strong>: "
            f"{escape(finding.message)}<br>→ {escape(finding.remedy)}</div>"
        )


def _steps(plan: DeploymentPlan, forecast: Mapping[str, str]) -> Iterable[str]:
    heads = ("Step", "Nodes", "Compute", "Environment", "Snapshot", "Next submit")
    rows = [
        (
            f'<strong>{escape(step.name)}</strong><br><span class="kind {step.kind}">'
            f"{step.kind}</span>",
            _nodes(step),
            escape(step.compute),
            escape(step.environment),
            _snapshot(step),
            escape(forecast.get(step.name, "")),
        )
        for step in plan.steps
    ]
    return _table(heads, rows)


def _nodes(step: Step) -> str:
    names = "<br>".join(f"<code>{escape(name)}</code>" for name in step.nodes)
    if len(step.nodes) <= 6:
        return names
    return f"<details><summary>{len(step.nodes)} nodes</summary>{names}</details>"


def _snapshot(step: Step) -> str:
    snapshot = step.snapshot
    if snapshot is None:
        return ""
    tree = f"<br>whole source tree: {escape(snapshot.whole_tree)}" if snapshot.whole_tree else ""
    return (
        f"{many(snapshot.files, 'file')}, {size_text(snapshot.size)}<br>"
        f"<code>{snapshot.digest[:12]}</code>{tree}"
    )


def _crossings(plan: DeploymentPlan) -> Iterable[str]:
    rows = [
        (
            f"<code>{escape(crossing.dataset)}</code>",
            escape(crossing.from_step or "outside"),
            escape(crossing.to_step or "kept"),
            escape(crossing.travels),
            escape(crossing.reason),
        )
        for crossing in plan.crossings
    ]
    return _table(("Dataset", "From", "To", "Travels as", "Why"), rows) if rows else []


def _boundaries(plan: DeploymentPlan) -> Iterable[str]:
    rows = [
        (escape(boundary.from_step), escape(boundary.to_step), escape(boundary.reason))
        for boundary in plan.boundaries
    ]
    return _table(("From", "To", "Why"), rows) if rows else []


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterable[str]:
    yield '<div class="scroll"><table><thead><tr>'
    yield "".join(f"<th>{head}</th>" for head in heads)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</tbody></table></div>"
