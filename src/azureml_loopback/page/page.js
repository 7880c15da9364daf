// Which view the address asks for, and the watches that keep it up to date.

import { serviceTime, setServiceTime, tick } from "./dom.js";
import { datasetsView, modelsView, runsView } from "./lists.js";
import { runView } from "./run.js";

const SOON = 1200, LATER = 4000; // milliseconds between two looks, while something runs and else

const VIEWS = [
  [/^\/run\/([^/]+)(?:\/([^/]*))?$/, runView, "runs"],
  [/^\/datasets$/, datasetsView, "datasets"],
  [/^\/models$/, modelsView, "models"],
  [/^\/runs\/of\/([^/]+)$/, runsView, "runs"],
  [/.*/, runsView, "runs"],
];

const main = document.getElementById("main");
const trouble = document.getElementById("trouble");
let watches = new Set();

function complain(text) {
  trouble.textContent = text;
  trouble.hidden = !text;
}

/** Ask for something again and again; `tell` gets what is new, and says whether it is still going on. */
function watch(query, tell) {
  let timer, before, going = true, ended = false;
  const own = watches;
  const look = async () => {
    clearTimeout(timer);
    const path = query();
    try {
      const headers = before && before.path === path ? { "If-None-Match": before.tag } : {};
      const answer = await fetch(`/page/data/${path}`, { headers, cache: "no-store" });
      setServiceTime(answer.headers.get("X-Loopback-Time"));
      if (answer.status === 401) complain("The key is another one now: open the address that `status` prints.");
      else if (answer.status === 304) complain("");
      else if (!answer.ok) complain((await answer.json()).message);
      else {
        complain("");
        const data = await answer.json();
        before = { path, tag: answer.headers.get("ETag") };
        if (!ended && own === watches) going = tell(data) ?? false;
      }
    } catch (error) {
      complain(error instanceof TypeError ? "The service does not answer; trying again." : String(error));
    }
    if (!ended && own === watches) timer = setTimeout(look, document.hidden ? LATER * 5 : going ? SOON : LATER);
  };
  const again = () => look();
  again.end = () => { ended = true; clearTimeout(timer); };
  own.add(again);
  look();
  return again;
}

function route() {
  watches.forEach((one) => one.end());
  watches = new Set();
  const path = location.hash.slice(1) || "/";
  const [pattern, view, section] = VIEWS.find(([known]) => known.test(path));
  const [, ...parts] = path.match(pattern).map((text) => text && decodeURIComponent(text));
  for (const link of document.querySelectorAll("nav a"))
    link.setAttribute("aria-current", link.getAttribute("href") === `#/${section}`);
  main.replaceChildren(...[view(watch, ...parts)].flat());
}

setInterval(() => {
  tick();
  document.getElementById("clock").textContent = new Date(serviceTime()).toLocaleTimeString();
}, 1000);
addEventListener("hashchange", route);
addEventListener("visibilitychange", () => { if (!document.hidden) watches.forEach((look) => look()); });
route();
