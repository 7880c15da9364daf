// Building blocks. All text goes in as text nodes: what a user named a run can never become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

export const h = (tag, attributes, ...children) =>
  fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

/** A part of the page that is built anew only when what it shows has changed. */
export function part(tag, attributes, build) {
  const node = h(tag, attributes);
  let before;
  return {
    node,
    update(value) {
      const now = JSON.stringify(value);
      if (now === before) return;
      before = now;
      node.replaceChildren(...[build(value)].flat(Infinity).filter(Boolean));
    },
  };
}

export const pill = (status, mood) => h("span", { class: `pill ${mood}` }, status);

export const table = (heads, rows) =>
  h("div", { class: "scroll" },
    h("table", {},
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", {}, head)))),
      h("tbody", {}, rows)));

export const empty = (text) => h("p", { class: "empty" }, text);

/** Name and value, one line each. */
export const facts = (values) =>
  h("dl", {}, Object.entries(values)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

let ahead = 0; // milliseconds that the service's clock is ahead of this machine's

export function setServiceTime(text) {
  if (text) ahead = Date.parse(text) - Date.now();
}

export const serviceTime = () => Date.now() + ahead;

export function duration(milliseconds) {
  const seconds = Math.max(0, milliseconds / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`;
}

/** How long something took, or has been taking: then it counts on by itself. */
export function took(started, ended) {
  if (!started) return "";
  if (ended) return duration(Date.parse(ended) - Date.parse(started));
  return h("span", { "data-since": started }, duration(serviceTime() - Date.parse(started)));
}

export const when = (time) =>
  h("time", { datetime: time, "data-ago": time, title: new Date(time).toLocaleString() }, ago(time));

const ago = (time) => `${duration(serviceTime() - Date.parse(time))} ago`;

export function tick() {
  for (const node of document.querySelectorAll("[data-since]"))
    node.textContent = duration(serviceTime() - Date.parse(node.dataset.since));
  for (const node of document.querySelectorAll("[data-ago]"))
    node.textContent = ago(node.dataset.ago);
}
