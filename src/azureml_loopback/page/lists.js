// The lists: experiments with their runs, datasets, models.

import { empty, h, part, pill, table, took, when } from "./dom.js";

const MOODS = ["done", "reused", "running", "failed", "canceled", "waiting"];

export function runsView(watch, experiment) {
  let limit = 50;
  const side = part("aside", { class: "experiments" }, (experiments) => [
    h("h2", {}, "Experiments"),
    h("ul", {},
      h("li", {}, choice("", "All", null, experiment)),
      experiments.map((one) => h("li", {}, choice(one.id, one.name, one.runs, experiment)))),
  ]);
  const list = part("section", { class: "panel grow" }, ({ runs, more }) => [
    runs.length ? runTable(runs) : empty("No runs yet. What is submitted shows up here."),
    more && h("button", { class: "more", onclick: () => { limit *= 4; again(); } }, "Show more"),
  ]);
  const query = () => `runs?limit=${limit}${experiment ? `&experiment=${experiment}` : ""}`;
  const again = watch(query, (data) => {
    side.update(data.experiments);
    list.update({ runs: data.runs, more: data.more });
    return data.runs.some((run) => ["running", "waiting"].includes(run.mood));
  });
  return h("div", { class: "columns" }, side.node, list.node);
}

const choice = (id, name, count, chosen) =>
  h("a", { href: id ? `#/runs/of/${id}` : "#/runs", "aria-current": (chosen ?? "") === id },
    h("span", {}, name), count !== null && h("small", {}, count));

export const runTable = (runs, { experiment = true } = {}) =>
  table(["State", "Run", experiment && "Experiment", experiment ? "Steps" : "Result", "Time", "Started"].filter(Boolean),
    runs.map((run) => h("tr", {},
      h("td", {}, pill(run.reused ? "Reused" : run.status, run.reused ? "reused" : run.mood)),
      h("td", { class: "wide" },
        h("a", { href: `#/run/${encodeURIComponent(run.id)}` }, run.algorithm ?? run.name),
        h("small", { title: run.id }, [run.kind, `no. ${run.number}`, shortId(run.id)].filter(Boolean).join(" · "))),
      experiment && h("td", {}, run.experiment),
      h("td", {}, steps(run)),
      h("td", { class: "number" }, run.reused ? "" : took(run.started, run.ended)),
      h("td", {}, when(run.started)))));

/** The first part of a UUID; other ids as they are. */
const shortId = (id) => (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id) ? id.slice(0, 8) : id);

function steps(run) {
  const total = Object.values(run.steps).reduce((sum, count) => sum + count, 0);
  if (!total) return run.score ? Number(run.score).toFixed(4) : "";
  const known = MOODS.filter((mood) => run.steps[mood]);
  const bar = h("div", { class: "bar", "aria-hidden": "true" }, known.map((mood) => {
    const piece = h("i", { class: mood });
    piece.style.flexGrow = run.steps[mood];
    return piece;
  }));
  return [bar, h("small", {}, known.map((mood) => `${run.steps[mood]} ${mood}`).join(", "))];
}

export function datasetsView(watch) {
  const list = part("section", { class: "panel" }, (datasets) =>
    datasets.length
      ? table(["Dataset", "Type", "Version", "Registered", "Description", "Tags"],
        datasets.flatMap((one) => versions(one, (version) => [version.description ?? "", tags(version.tags)], one.type)))
      : empty("No dataset is registered."));
  watch(() => "datasets", (data) => { list.update(data); });
  return list.node;
}

export function modelsView(watch) {
  const list = part("section", { class: "panel" }, (models) =>
    models.length
      ? table(["Model", "Version", "Registered", "By run", "Tags", "Properties"],
        models.flatMap((one) => versions(one, (version) => [
          version.run ? h("a", { href: `#/run/${encodeURIComponent(version.run)}` }, version.run) : "",
          tags(version.tags), tags(version.properties),
        ])))
      : empty("No model is registered."));
  watch(() => "models", (data) => { list.update(data); });
  return list.node;
}

const versions = (one, rest, type) => one.versions.map((version, index) =>
  h("tr", { class: index ? "older" : null },
    h("td", {}, index ? "" : h("b", {}, one.name)),
    type !== undefined && h("td", {}, index ? "" : type),
    h("td", { class: "number" }, version.version),
    h("td", {}, when(version.created)),
    rest(version).map((cell) => h("td", {}, cell))));

export const tags = (values) =>
  Object.entries(values ?? {}).map(([name, value]) => h("span", { class: "tag" }, `${name}: ${value}`));
