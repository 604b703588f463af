"use strict";

const find = (id) => document.getElementById(id);
const actions = { kill: "Kill", stop: "Stop", continue: "Continue", restart: "Restart", "restart-empty": "Restart empty" };
const states = { running: "running", stopped: "stands still", starting: "starting…", down: "down" };
const names = { redis: "Redis", mariadb: "MariaDB", node: "the node itself" };
const places = ["node", "redis", "mariadb"]; // in the order of the counts

function say(text) {
  find("message").textContent = text;
}

// make makes an element with text, never markup.
function make(tag, className, text, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

// refresh shows what is going on. The demo itself answers, no node. Answers that were overtaken are dropped.
let asked = 0;
let shown = 0;

async function refresh() {
  const question = ++asked;
  const response = await fetch("/state").catch(() => null);
  const state = response?.ok ? await response.json().catch(() => null) : null;
  if (question < shown) return;
  shown = question;
  document.body.dataset.live = state ? "yes" : "no";
  if (!state) {
    say("The demo has ended.");
    return;
  }
  if (find("message").textContent === "The demo has ended.") say("");
  showVerdict(state.checker);
  showServers(state.servers);
  showTraffic(state.traffic);
  showNodes(state.nodes);
  showNews(state.news ?? []);
  find("routing").textContent = routing(state);
}

function routing({ roam, sticky }) {
  if (!roam) return "Each visitor stays with one node, so that even when both servers die at once nobody misses anything. -roam sends every request to the next node while both are well.";
  if (!sticky) return "Every request goes to the next node.";
  return "A server is away, or not all is carried back: each visitor stays with the node that answered last. If the other server goes too, who changed nodes just before may see what this one knew, until MariaDB is back.";
}

function showVerdict(c) {
  let bad = false;
  for (const [id, n] of [["sessions-lost", c.sessions_lost], ["changes-lost", c.changes_lost], ["undone", c.undone]]) {
    find(id).textContent = n;
    find(id).parentElement.className = n ? "bad" : "";
    bad ||= n > 0;
  }
  document.querySelector(".verdict").classList.toggle("bad", bad);
  const number = (n) => n.toLocaleString("en");
  find("checked").textContent = `${number(c.acknowledged)} changes and ${number(c.logouts)} logouts were acknowledged, ` +
    `${number(c.checks)} answers compared with them; ${number(c.late)} did not know yet of something that another node had done less than two seconds before.`;
}

function showServers(servers) {
  const list = find("servers");
  if (list.childElementCount !== servers.length) list.replaceChildren(...servers.map(newServer));
  for (const [i, { state }] of servers.entries()) {
    const item = list.children[i];
    item.className = state;
    item.querySelector(".state").textContent = states[state] ?? state;
    for (const button of item.querySelectorAll("button")) {
      const fits = { kill: state === "running" || state === "stopped", stop: state === "running", continue: state === "stopped" };
      button.disabled = item.dataset.busy === "yes" || state === "starting" || !(fits[button.dataset.action] ?? true);
    }
  }
}

function newServer({ name, title, empty }) {
  const buttons = Object.keys(actions).filter((action) => empty || action !== "restart-empty").map((action) => {
    const button = make("button", "", actions[action]);
    button.type = "button";
    button.dataset.action = action;
    button.addEventListener("click", () => press(button.closest("li"), action));
    return button;
  });
  const item = make("li", "", undefined, make("strong", "", title), make("span", "state"), make("div", "buttons", undefined, ...buttons));
  item.dataset.server = name;
  return item;
}

// press does something to a server, and waits until it is done.
async function press(item, action) {
  item.dataset.busy = "yes";
  for (const button of item.querySelectorAll("button")) button.disabled = true;
  const response = await fetch(`/servers/${item.dataset.server}/${action}`, { method: "POST" }).catch(() => null);
  const body = await response?.json().catch(() => null);
  item.dataset.busy = "no";
  say(response?.ok ? "" : body?.error ?? "The demo does not answer.");
  refresh();
}

function showTraffic(t) {
  find("rate").textContent = t.rate.toFixed(0);
  find("errors").textContent = t.errors.toFixed(1);
  find("p99").textContent = t.p99.toFixed(0) + " ms";
  find("refused").textContent = `${t.total.errors.toLocaleString("en")} of ${t.total.requests.toLocaleString("en")}`;
  find("old").textContent = t.total.old.toLocaleString("en");
  const most = Math.max(1, ...t.seconds.flatMap((s) => [sum(s.reads) + s.errors, sum(s.changes) + s.errors]));
  chart(find("reads"), t.seconds.map((s) => [s.reads, s.errors]), most);
  chart(find("changes"), t.seconds.map((s) => [s.changes, s.errors]), most);
}

function sum(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}

// chart draws a bar for each second, and the share of each place lately.
function chart(svg, seconds, most) {
  svg.setAttribute("viewBox", `0 0 ${seconds.length} 100`);
  svg.setAttribute("preserveAspectRatio", "none");
  const bars = [];
  for (const [x, [counts, errors]] of seconds.entries()) {
    let top = 100;
    for (const [name, n] of [...counts.map((n, i) => [places[i], n]), ["errors", errors]]) {
      if (!n) continue;
      const height = n / most * 96;
      top -= height;
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [key, value] of Object.entries({ class: name, x: x + 0.08, y: top, width: 0.84, height })) bar.setAttribute(key, value);
      bars.push(bar);
    }
  }
  svg.replaceChildren(...bars);
  const lately = seconds.slice(-3).map(([counts]) => counts);
  const total = sum(lately.flat());
  for (const [i, name] of places.entries()) {
    const share = total ? Math.round(100 * sum(lately.map((counts) => counts[i])) / total) : 0;
    svg.parentElement.querySelector(`.legend .${name} b`).textContent = share + "%";
  }
}

function showNodes(nodes) {
  find("nodes").replaceChildren(...nodes.map((n) => {
    const facts = [
      ["Redis", n.fast_up ? "asked" : "away", !n.fast_up],
      ["MariaDB", n.durable_up ? "asked" : "away", !n.durable_up],
      ["reads from", n.believed ? "Redis" : n.durable_up ? "MariaDB" : n.fast_up ? "Redis, files" : "files, memory", false],
      ["to carry back", n.open ? `${n.open}, for ${Math.round(n.lag_ns / 1e9)} s` : 0, false],
      ["conflicts", n.conflicts, false],
      ["dead letters", n.dead_letters, n.dead_letters > 0],
    ].map(([name, value, bad]) => make("div", "", undefined, make("dt", "", name), make("dd", bad ? "no" : "", value)));
    const title = make("h3", "", n.name, make("span", "", n.serves ? "serves" : "does not serve"));
    const card = make("article", n.serves ? "card" : "card bad", undefined, title, make("dl", "", undefined, ...facts));
    card.dataset.node = n.name;
    return card;
  }));
}

function showNews(news) {
  find("news").replaceChildren(...news.map(({ at, who, text }) => make("li", "", undefined,
    make("time", "", at), make("span", "", names[who] ?? who), make("span", "", text))));
}

// own sends a request of the visitor who looks at the page.
async function own(method, path) {
  const begin = performance.now();
  const response = await fetch(path, { method }).catch(() => null);
  const body = await response?.json().catch(() => null);
  const took = Math.round(performance.now() - begin) + " ms";
  if (!response?.ok) {
    find("own").textContent = `Refused after ${took}: ${body?.error ?? "the demo does not answer"}.`;
    return;
  }
  find("visits").textContent = body.visits;
  find("own").textContent = `Answered by ${body.node} in ${took}, read from ${names[body.found]}.`;
}

find("visit").addEventListener("click", () => own("POST", "/api/visit"));
own("GET", "/api/session");
refresh();
setInterval(() => document.hidden || refresh(), 500);
