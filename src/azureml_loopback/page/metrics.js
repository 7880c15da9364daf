// What a run logged: numbers as they are, series as a curve, rows as a table.

import { empty, h, svg, table } from "./dom.js";

export const metricsOf = (metrics) =>
  metrics.length ? h("div", { class: "metrics" }, metrics.map(metricOf)) : empty("Nothing was logged.");

function metricOf({ name, columns, rows, count }) {
  if (columns.length > 1)
    return card(name, true, table(columns, rows.map((row) => h("tr", {}, row.map((cell) => h("td", { class: "number" }, show(cell)))))));
  const values = rows.map((row) => row[0]);
  const last = values[values.length - 1];
  if (values.length > 1 && values.every((value) => typeof value === "number"))
    return card(name, false, h("b", {}, show(last)), curve(values), h("small", {}, `${count} values, ${show(Math.min(...values))} to ${show(Math.max(...values))}`));
  return card(name, false, h("b", {}, values.map(show).join(", ")));
}

const card = (name, wide, ...rest) => h("div", { class: wide ? "metric all" : "metric" }, h("h3", {}, name), rest);

function curve(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (index) => (index / (values.length - 1)) * 196 + 2;
  const y = (value) => 46 - ((value - low) / (high - low || 1)) * 42;
  const points = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`);
  return svg("svg", { viewBox: "0 0 200 50", class: "curve", "aria-hidden": "true" },
    svg("polyline", { points: points.join(" ") }));
}

function show(value) {
  if (typeof value !== "number") return value === null ? "" : String(value);
  return Number.isInteger(value) ? value.toLocaleString() : String(Number(value.toPrecision(6)));
}
