// One run: its graph or its children, and beside it the log, files, metrics and facts of what is chosen.

import { empty, facts, h, part, pill, table, took, when } from "./dom.js";
import { drawGraph } from "./graph.js";
import { runTable, tags } from "./lists.js";
import { metricsOf } from "./metrics.js";

const TABS = ["Log", "Files", "Metrics", "Details"];
const WIDE = 1000; // a graph that is wider stands above the panel, and not beside it
let tab = "Log"; // stays chosen from run to run

export function runView(watch, id, chosen) {
  const address = `#/run/${encodeURIComponent(id)}`;
  const head = part("section", { class: "head" }, runHead);
  const graph = part("section", { class: "panel graph" }, (data) => drawGraph(data, chosen, choose));
  const children = part("section", { class: "panel" }, (rows) => [
    h("h2", {}, "Child runs"), runTable(rows, { experiment: false }),
  ]);
  const columns = h("div", { class: "columns" });
  let run, panel;

  function beside(node) { // left of the panel
    if (!node.isConnected) columns.prepend(node);
  }

  function open() {
    panel?.end();
    panel = panelFor(watch);
    columns.querySelector(":scope > .side")?.remove();
    columns.append(panel.node);
  }

  function choose(box) {
    chosen = box === chosen ? undefined : box;
    history.replaceState(null, "", chosen ? `${address}/${encodeURIComponent(chosen)}` : address);
    open();
    show();
  }

  function show() {
    head.update(headOf(run));
    if (run.graph) {
      graph.update({ ...run.graph, chosen });
      columns.classList.toggle("stacked", run.graph.width > WIDE);
      beside(graph.node);
    } else if (run.children.length) {
      children.update(run.children);
      beside(children.node);
    }
    const box = chosen && run.graph && run.graph.boxes.find((one) => one.id === chosen);
    panel.show(box ? { box } : { run });
  }

  open();
  watch(() => `runs/${encodeURIComponent(id)}`, (data) => {
    run = data;
    show();
    return ["running", "waiting"].includes(run.mood);
  });
  return [head.node, columns];
}

const headOf = ({ id, number, name, kind, experiment, status, mood, started, ended, parent, error, warnings, tags: own, parameters, reused, reusedFrom }) =>
  ({ id, number, name, kind, experiment, status, mood, started, ended, parent, error, warnings, own, parameters, reused, reusedFrom });

const runHead = (run) => [
  h("p", { class: "crumbs" },
    h("a", { href: "#/runs" }, "Runs"), " / ", run.experiment, " / ",
    run.parent && [linkTo(run.parent.id, run.parent.name), " / "],
    `no. ${run.number}`),
  h("h1", {}, run.name, " ", pill(run.reused ? "Reused" : run.status, run.reused ? "reused" : run.mood)),
  h("p", { class: "under" },
    [run.kind, h("code", {}, run.id), took(run.started, run.ended), when(run.started)]
      .filter(Boolean).flatMap((piece, index) => (index ? [" · ", piece] : [piece]))),
  Object.keys(run.parameters).length > 0 && h("p", {}, tags(run.parameters)),
  Object.keys(run.own).length > 0 && h("p", {}, tags(run.own)),
  run.error && h("pre", { class: "error" }, run.error),
  run.warnings.map((text) => h("p", { class: "warning" }, text)),
];

/** The panel shows a step of the graph that is chosen, else the run itself. */
function panelFor(watch) {
  const title = part("h2", {}, ({ name, status, mood, run: own }) => [
    own ? linkTo(own, name) : name, " ", status && pill(status, mood),
  ]);
  const body = h("div", { class: "body" });
  const log = logFor(watch);
  const views = {
    Log: log,
    Files: part("div", {}, filesOf),
    Metrics: part("div", {}, metricsOf),
    Details: part("div", {}, detailsOf),
  };
  const buttons = TABS.map((name) => h("button", { role: "tab", onclick: () => choose(name) }, name));
  const choose = (name) => {
    tab = name;
    buttons.forEach((button) => button.setAttribute("aria-selected", button.textContent === tab));
    body.replaceChildren(views[tab].node);
    log.follow();
  };
  let child; // the watch over the chosen step's own run
  const tell = (run, box) => {
    views.Log.update(run);
    views.Files.update({ id: run.id, files: run.files, outputs: box ? box.outputs : [] });
    views.Metrics.update(run.metrics);
    views.Details.update(run);
  };
  const show = ({ run, box }) => {
    title.update(box ?? { name: "This run" });
    if (run) tell(run);
    else if (!box.run) body.replaceChildren(empty("This step has not begun."));
    else if (!child) {
      choose(tab);
      child = watch(() => `runs/${encodeURIComponent(box.run)}`, (own) => {
        tell(own, box);
        return own.mood === "running";
      });
    }
  };
  choose(tab);
  return {
    node: h("section", { class: "panel grow side" },
      title.node, h("div", { class: "tabs", role: "tablist" }, buttons), body),
    show,
    end() {
      child?.end();
      log.end();
    },
  };
}

/** A log, followed while it is written; it stays at its end unless the reader has scrolled up. */
function logFor(watch) {
  const text = h("pre", { class: "log", tabindex: "0" });
  const select = h("select", { "aria-label": "Which log", onchange: () => open(select.value) });
  const node = h("div", {}, select, text);
  let run, name, end, stop;
  const atEnd = () => text.scrollTop + text.clientHeight >= text.scrollHeight - 8;
  const follow = () => { text.scrollTop = text.scrollHeight; };
  const open = (wanted) => {
    stop?.end();
    [name, end] = [wanted, undefined];
    text.replaceChildren();
    const query = () => `runs/${encodeURIComponent(run.id)}/log?name=${encodeURIComponent(name)}${end === undefined ? "" : `&start=${end}`}`;
    stop = watch(query, (data) => {
      const stay = !atEnd();
      if (end === undefined && data.start > 0) text.append("… the beginning is left out\n");
      if (end !== undefined && data.start < end) text.replaceChildren();
      if (data.text) text.append(data.text.replace(/\x1b\[[0-9;]*[A-Za-z]/g, ""));
      end = data.end;
      if (!stay) follow();
      return run.mood === "running";
    });
  };
  return {
    node,
    follow,
    end: () => stop?.end(),
    update(now) {
      run = now;
      if (!run.logs.length) {
        select.hidden = true;
        if (!text.textContent) text.append("Nothing was written.");
        if (run.reusedFrom && !text.querySelector("a"))
          text.append(" The step was reused: ", linkTo(run.reusedFrom, "the run that did the work"));
        return;
      }
      select.hidden = false;
      if (select.options.length !== run.logs.length)
        select.replaceChildren(...run.logs.map((log) => h("option", { value: log, selected: log === name }, log)));
      if (!name) open(run.logs[0]);
    },
  };
}

const linkTo = (id, text = id) => h("a", { href: `#/run/${encodeURIComponent(id)}` }, text);

const filesOf = ({ id, files, outputs }) => [
  outputs.length > 0 && table(["Output", "Datastore", "Path"], outputs.map((one) =>
    h("tr", {}, h("td", {}, one.name), h("td", {}, one.datastore), h("td", {}, h("code", {}, one.path))))),
  files.length > 0
    ? h("ul", { class: "files" }, files.map((name) => h("li", {}, h("a", {
      href: `/page/data/runs/${encodeURIComponent(id)}/file?name=${encodeURIComponent(name)}`,
      download: name.split("/").pop(),
    }, name))))
    : empty("The run has no files."),
];

const detailsOf = (run) => [
  facts({
    Script: run.script, Compute: run.target, Description: run.description,
    "Reused from": run.reusedFrom && linkTo(run.reusedFrom),
    Run: linkTo(run.id),
  }),
  run.statuses.length > 0 && [h("h3", {}, "Statuses"), table(["Status", "Since"], run.statuses.map((one) =>
    h("tr", {}, h("td", {}, one.status), h("td", {}, new Date(one.time).toLocaleTimeString()))))],
  Object.keys(run.properties).length > 0 && [h("h3", {}, "Properties"), facts(run.properties)],
];
