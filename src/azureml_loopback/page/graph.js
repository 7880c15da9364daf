// A pipeline's graph as the service laid it out: boxes with their state, lines with what they carry.

import { duration, serviceTime, svg } from "./dom.js";

const WIDTH = 208, HEIGHT = 52;
const SMALLEST = 0.7; // of full size, to fit where there is little room

/** `choose` is called with the id of a step that is clicked. */
export function drawGraph(graph, selected, choose) {
  const names = Object.fromEntries(graph.boxes.map((box) => [box.id, box.name]));
  const picture = svg("svg", {
    viewBox: `0 0 ${graph.width} ${graph.height}`, width: graph.width, height: graph.height,
    role: "group", "aria-label": "The pipeline's graph",
  },
  svg("defs", {}, svg("marker", {
    id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, orient: "auto",
    markerUnits: "userSpaceOnUse",
  }, svg("path", { d: "M0 0 8 4 0 8z", class: "tip" }))),
  graph.lines.map((line) => drawLine(line, names, selected)),
  graph.boxes.map((box) => (box.mood === "data" ? drawData(box) : drawStep(box, selected, choose))));
  picture.style.minWidth = `${graph.width * SMALLEST}px`; // a wider one is scrolled
  return picture;
}

function drawLine(line, names, selected) {
  const near = selected === line.from || selected === line.to;
  return svg("path", { d: curve(line.points), class: near ? "line near" : "line", "marker-end": "url(#tip)" },
    svg("title", {}, `${names[line.from]} → ${names[line.to]}: ${line.label}`));
}

/** Straight where the line passes a layer, and a soft bend between two layers. */
function curve([[x, y], ...points]) {
  const parts = [`M${x} ${y}`];
  points.forEach(([toX, toY], index) => {
    const middle = (y + toY) / 2;
    parts.push(index % 2 ? `L${toX} ${toY}` : `C${x} ${middle} ${toX} ${middle} ${toX} ${toY}`);
    [x, y] = [toX, toY];
  });
  return parts.join("");
}

function drawStep(box, selected, choose) {
  const [left, top] = [box.x - WIDTH / 2, box.y - HEIGHT / 2];
  return svg("g", {
    class: `box ${box.mood}${box.id === selected ? " selected" : ""}`,
    role: "button", tabindex: 0, "aria-pressed": String(box.id === selected),
    "aria-label": `${box.name}: ${box.status}`,
    onclick: () => choose(box.id),
    onkeydown: (event) => { if (["Enter", " "].includes(event.key)) { event.preventDefault(); choose(box.id); } },
  },
  svg("title", {}, `${box.name} (${box.kind}): ${box.status}`),
  svg("rect", { x: left, y: top, width: WIDTH, height: HEIGHT, rx: 8, class: "card" }),
  svg("rect", { x: left + 7, y: top + 10, width: 3, height: HEIGHT - 20, rx: 1.5, class: "edge" }),
  svg("svg", { x: left + 18, y: top, width: WIDTH - 26, height: HEIGHT }, // cuts what is too wide
    svg("text", { x: 0, y: 22, class: "name" }, short(box.name, 26))),
  svg("circle", { cx: left + 22, cy: top + 37.5, r: 4, class: "dot" }),
  svg("text", { x: left + 32, y: top + 41.5, class: "state" }, box.status, time(box)));
}

function drawData(box) {
  const [left, top] = [box.x - WIDTH / 2, box.y - HEIGHT / 2 + 18]; // down to where the line begins
  return svg("g", { class: "box data" },
    svg("title", {}, `dataset ${box.name}`),
    svg("rect", { x: left + 20, y: top, width: WIDTH - 40, height: HEIGHT - 18, rx: 17, class: "card" }),
    svg("text", { x: box.x, y: top + 21.5, class: "name", "text-anchor": "middle" }, short(box.name, 21)));
}

function time(box) {
  if (!box.started || box.mood === "reused") return null;
  if (box.ended) return ` · ${duration(Date.parse(box.ended) - Date.parse(box.started))}`;
  const since = svg("tspan", { "data-since": box.started });
  since.textContent = duration(serviceTime() - Date.parse(box.started));
  return [" · ", since];
}

const short = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
