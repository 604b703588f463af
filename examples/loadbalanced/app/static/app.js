"use strict";

const find = (id) => document.getElementById(id);
const maxAnswers = 8;

// call sends a request to whichever node is next, notes who answered, and shows what it says.
async function call(method, path, params = {}) {
  const query = new URLSearchParams(params).toString();
  const begin = performance.now();
  let response, body;
  try {
    response = await fetch(path + (query ? "?" + query : ""), { method });
    body = await response.json();
  } catch {
    say("The balancer does not answer.");
    return;
  }
  note({
    node: response.headers.get("X-Node") ?? "balancer",
    request: method + " " + path,
    status: response.status,
    time: Math.round(performance.now() - begin) + " ms",
    at: clock(),
  });
  say(response.ok ? "" : body.error);
  if (response.ok) show(body);
  refreshNodes();
}

// show puts the state of the session on the page.
function show(state) {
  find("node").textContent = state.node;
  find("node").dataset.framework = state.framework;
  find("framework").textContent = state.framework;
  find("visits").textContent = state.visits;
  find("user").textContent = state.user || "nobody";
  fill(find("values"), Object.entries(state.values));
}

function clock() {
  return new Date().toLocaleTimeString([], { hour12: false });
}

function say(text) {
  find("message").textContent = text;
}

// fill replaces the rows of a table. Cells are text, never markup.
function fill(table, rows) {
  table.tBodies[0].replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    for (const text of cells) row.insertCell().textContent = text;
    return row;
  }));
}

// The last answers outlive a reload of the page, but not the tab.
let answers = JSON.parse(sessionStorage.getItem("answers") ?? "[]");

function note(answer) {
  answers = [answer, ...answers].slice(0, maxAnswers);
  sessionStorage.setItem("answers", JSON.stringify(answers));
  fill(find("answers"), answers.map((a) => [a.node, a.request, a.status, a.time, a.at]));
  for (const [i, row] of [...find("answers").tBodies[0].rows].entries()) {
    row.dataset.framework = answers[i].node.replace("node-", "");
  }
}

// refreshNodes shows which nodes are up. It asks the balancer; no node sees it. Answers that were overtaken are dropped.
let asked = 0;

async function refreshNodes() {
  const question = ++asked;
  const response = await fetch("/balancer/nodes").catch(() => null);
  const body = response?.ok ? await response.json() : null;
  if (question !== asked) return;
  if (!body) {
    find("nodes").textContent = "This page was loaded without the balancer.";
    return;
  }
  showNodes(body);
}

function showNodes(nodes) {
  const list = find("nodes");
  if (list.childElementCount !== nodes.length) list.replaceChildren(...nodes.map(newNode));
  for (const [i, { up }] of nodes.entries()) {
    const [, state, button] = list.children[i].children;
    if (button.disabled) continue; // it is stopping or starting
    list.children[i].className = up ? "up" : "down";
    state.textContent = up ? "up" : "stopped";
    button.textContent = up ? "Stop" : "Start";
  }
}

function newNode({ node }) {
  const item = document.createElement("li");
  const name = document.createElement("strong");
  name.textContent = node;
  name.dataset.framework = node.replace("node-", "");
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.node = node;
  button.addEventListener("click", () => turn(button, button.textContent.toLowerCase()));
  item.append(name, document.createElement("span"), button);
  return item;
}

// turn stops or starts a node.
async function turn(button, action) {
  button.disabled = true;
  button.textContent = action === "stop" ? "Stopping…" : "Starting…";
  const query = new URLSearchParams({ node: button.dataset.node });
  const response = await fetch(`/balancer/${action}?${query}`, { method: "POST" }).catch(() => null);
  const body = await response?.json();
  button.disabled = false;
  say(response?.ok ? "" : body?.error ?? "The balancer does not answer.");
  refreshNodes();
}

find("visit").addEventListener("click", () => call("POST", "/api/visit"));
find("logout").addEventListener("click", () => call("POST", "/api/logout"));
for (const id of ["login", "set"]) {
  find(id).addEventListener("submit", (event) => {
    event.preventDefault();
    call("POST", "/api/" + id, Object.fromEntries(new FormData(event.target)));
    event.target.reset();
  });
}
const [page] = performance.getEntriesByType("navigation");
note({
  node: find("node").textContent,
  request: "GET /",
  status: page.responseStatus,
  time: Math.round(page.responseEnd - page.startTime) + " ms",
  at: clock(),
});
if (page.responseStatus === 200) call("POST", "/api/visit");
refreshNodes();
setInterval(() => document.hidden || refreshNodes(), 5000);
