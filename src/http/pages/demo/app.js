// The second demo page: an application in cookie mode. It works on every host that the server answers for.
import { cookieClient } from "/assets/demo-spa.js";

const at = (id) => document.getElementById(id);
const page = `${location.origin}/demo/app`;
const client = cookieClient({ clientId: "demo-cookie", host: location.origin, returnTo: page, apis: [location.origin] });
const ACTIONS = ["app-api", "app-refresh", "app-logout", "app-logout-all"];
const WORDS = {
  "signed-in": () => ["Signed in", "good"],
  refreshed: () => ["A new access token", "good"],
  "signed-out": ({ reason, elsewhere }) => [`Signed out${elsewhere ? " in another tab" : ""}: ${reason}`, "bad"],
  unavailable: ({ error, retryIn }) => (error.kind === "refused"
    ? [`Refused (${error.code})`, "bad"]
    : [`No answer (${error.code}); trying again in ${Math.ceil(retryIn / 1000)} s`, "warn"]),
  "step-up": ({ maxAge }) => [`The API asks for a fresh sign-in${maxAge === undefined ? "" : ` (at most ${maxAge} s old)`}`, "warn"],
};

/** Whether the demo API is here: it lives on the issuer's origin, and on no other. */
let api = true;
let busy = true;

async function callApi() {
  const response = await client.fetch("/demo/api/me", { cache: "no-store" });
  const text = await response.text();
  at("app-answer").textContent = `GET /demo/api/me → ${response.status}\n\n${text}`;
  log(`API call: ${response.status}`, response.ok ? "good" : "bad");
  if (response.status === 404) {
    api = false;
    at("app-api-where").textContent = "The demo API is on the issuer's origin only.";
  }
}

async function refreshNow() {
  const began = performance.now();
  await client.getAccessToken({ refresh: true });
  log(`Refreshed in ${Math.round(performance.now() - began)} ms`, "good");
}

async function signOut(everywhere) {
  await client.logout({ everywhere });
  log(everywhere ? "Every device is signed out" : "The server has ended the session");
}

function show() {
  const { session } = client;
  at("app-session").textContent = session ? JSON.stringify(session, null, 2) : "Nobody.";
  at("app-signin").disabled = busy || session !== null;
  for (const id of ACTIONS) at(id).disabled = busy || session === null || (id === "app-api" && !api);
  at("app-storage").textContent = stored();
  if (session) say(`Signed in as ${session.preferred_username ?? session.name ?? session.sub}`, "good");
}

/** What lies about: nothing, if all is well. */
function stored() {
  const count = (storage) => Array.from({ length: storage.length }, (_, i) => storage.key(i)).join(", ") || "nothing";
  return `document.cookie: ${document.cookie || "nothing"} · localStorage: ${count(localStorage)} · sessionStorage: ${count(sessionStorage)}`;
}

function say(text, tone = "") {
  if (at("app-status").textContent !== text) at("app-status").textContent = text;
  at("app-status").dataset.tone = tone;
}

function log(what, tone = "") {
  const line = document.createElement("li");
  line.dataset.tone = tone;
  const time = document.createElement("time");
  const now = new Date();
  time.dateTime = now.toISOString();
  time.textContent = now.toLocaleTimeString("en-GB");
  line.append(time, span("who", tone === "bad" ? "Out" : "App"), span("what", what));
  at("app-log").prepend(line);
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

/** One action at a time; a fault is told in plain words. */
async function run(action) {
  busy = true;
  show();
  try {
    await action();
  } catch (fault) {
    log(fault.kind ? `${fault.code}: ${fault.message}` : String(fault), "bad");
    if (fault.kind === "unavailable") say("The server does not answer. The session stands; this page tries again.", "bad");
  } finally {
    busy = false;
    show();
  }
}

function on(id, action) {
  at(id).addEventListener("click", () => { if (!busy) void run(action); });
}

at("app-host").textContent = location.host;
client.onChange((change) => {
  log(...WORDS[change.type](change));
  if (change.type === "signed-out") say(change.elsewhere ? "Signed out in another tab" : "Signed out", "bad");
  show();
});
on("app-signin", () => client.signIn());
on("app-api", callApi);
on("app-refresh", refreshNow);
on("app-logout", () => signOut(false));
on("app-logout-all", () => signOut(true));
void run(async () => {
  try {
    if (await client.ready()) return;
  } catch (fault) {
    if (fault.kind === "refused") say(`The server refuses this app: ${fault.code}`, "bad");
    throw fault;
  }
  const error = client.returnError;
  if (error) log(`The sign-in came back with ${error.code}`, "bad");
  say(error ? `Not signed in: ${error.code}` : "Not signed in");
});
