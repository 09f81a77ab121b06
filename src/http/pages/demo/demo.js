// The demo page: a client in token mode whose refresh token the scenes can reach, one function per button, and a channel
// to the other tabs.
import { call, decode, discover, problem, refresh, verify } from "/assets/demo-oauth.js";
import { tokenClient } from "/assets/demo-spa.js";
import { explain, explainOwner } from "/assets/demo-verdict.js";

const app = {
  id: "demo-spa",
  redirectUri: `${location.origin}/demo/callback`,
  scope: "openid profile email offline_access read write",
};
const RACERS = 32;
/** Milliseconds between two questions whether a token still passes. */
const POLL = 20;
const at = (id) => document.getElementById(id);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const windows = { retry: Number(at("demo").dataset.retrySeconds), hold: Number(at("demo").dataset.holdSeconds) };
const tab = Math.random().toString(36).slice(2, 10); // a label, not a secret
const channel = new BroadcastChannel("signet-demo");

let server = null;
let client = null;
/** What the client keeps, or null: `{refresh, session, idToken, refreshedAt, generation}`. In memory, and nowhere else. */
let kept = null;
/** The client's access token, to be shown and to be refused. */
let access = null;
/** The thief's copy, or null: `{token, generation}`. `generation` counts the owner's refreshes when it was made. */
let thief = null;
let waiting = {}; // answers that other tabs owe this one, by kind

// ---- Session ---------------------------------------------------------------------------------------------------

/** Where the client keeps its refresh token: in a variable of every open tab. Applications leave this to the client. */
const store = {
  get: () => kept,
  set(next) {
    const rotated = kept !== null && next.refresh !== kept.refresh;
    share({
      ...next,
      refreshedAt: rotated ? Date.now() : kept?.refreshedAt ?? null,
      generation: kept ? kept.generation + (rotated ? 1 : 0) : 0,
    });
  },
  remove: () => share(null),
};

function share(next) {
  kept = next;
  channel.postMessage({ kind: "session", kept });
  show();
}

async function changed(change) {
  if (change.type === "signed-out") {
    access = null;
    if (change.elsewhere) {
      say("Signed out in another tab", "bad");
      log("Tab", "Another tab ended the session", "bad");
    } else if (change.reason !== "logout") {
      // Only the server's word means signed out: a fault or a busy server leaves the session as it is.
      ended("the server refused the refresh token");
    }
  } else if (change.type !== "unavailable") {
    access = await client.getAccessToken().catch(() => null);
  }
  show();
}

function ended(why) {
  say(`Signed out: ${why}`, "bad");
}

async function callApi(who = "Owner") {
  const answer = await call("/demo/api/me", { headers: { Authorization: `Bearer ${access ?? ""}` } });
  at("demo-answer").textContent = `GET /demo/api/me → ${answer.status || "no answer"}\n\n${pretty(answer.body)}`;
  log(who, `API call: ${problem(answer)}`, answer.status === 200 ? "good" : "bad");
  return answer;
}

async function refreshAsOwner({ silent = false } = {}) {
  if (!kept) return null;
  const before = kept.refresh;
  const answer = await refreshByClient(before);
  const meaning = thief?.used && !silent ? explainOwner(answer, thief.token) : null;
  if (answer.status === 200) {
    const what = answer.body.refresh_token ? "new tokens" : "no new refresh token";
    log("Owner", `Refresh: ${what} in ${Math.round(answer.ms)} ms`, "good");
  } else {
    log("Owner", `Refresh: ${problem(answer)}`, "bad");
  }
  if (meaning) verdict(meaning);
  return answer;
}

/** What the client's refresh came to, in the form of the token endpoint's answer. */
async function refreshByClient(before) {
  const began = performance.now();
  try {
    await client.getAccessToken({ refresh: true });
    const now = kept?.refresh;
    return { status: 200, body: { refresh_token: now === before ? undefined : now }, ms: performance.now() - began };
  } catch (fault) {
    const status = fault.kind === "signed-out" ? 400 : fault.code === "no_answer" ? 0 : 503;
    return { status, body: { error: fault.code ?? String(fault) }, ms: performance.now() - began };
  }
}

// ---- Other tabs ------------------------------------------------------------------------------------------------

channel.addEventListener("message", ({ data }) => {
  switch (data?.kind) {
    case "hello": if (kept) channel.postMessage({ kind: "welcome", kept }); break;
    case "welcome": waiting.welcome?.(data); break;
    case "session": kept = data.kept; show(); break;
    case "race": channel.postMessage({ kind: "racer", tab }); break;
    case "racer": waiting.racer?.(data); break;
    case "start": void joinRace(data); break;
    case "results": waiting.results?.(data); break;
  }
});

/** Asks the other tabs for the refresh token. */
async function askOtherTabs() {
  const answer = new Promise((resolve) => { waiting.welcome = resolve; });
  channel.postMessage({ kind: "hello" });
  const found = await Promise.race([answer, pause(400)]);
  if (!found) return;
  kept = found.kept;
  log("Tab", "Got the session from another tab, in memory");
}

async function joinRace({ share, token }) {
  log("Tab", `Another tab starts a race: ${share} refreshes from here`);
  channel.postMessage({ kind: "results", tab, answers: await volley(share, token) });
}

function volley(count, token) {
  return Promise.all(Array.from({ length: count }, () => refresh(server, app, token)));
}

async function race() {
  const others = new Set();
  waiting.racer = (data) => others.add(data.tab);
  channel.postMessage({ kind: "race" });
  await pause(200);
  const share = Math.ceil(RACERS / (others.size + 1));
  const token = kept.refresh;
  const answers = [];
  const all = new Promise((resolve) => {
    let missing = others.size;
    if (missing === 0) resolve();
    waiting.results = (data) => { answers.push(...data.answers); missing -= 1; if (missing === 0) resolve(); };
  });
  channel.postMessage({ kind: "start", share, token });
  answers.push(...await volley(share, token));
  await Promise.race([all, pause(15_000)]);

  const good = answers.filter(({ status }) => status === 200);
  const tokens = new Set(good.map(({ body }) => body.refresh_token).filter(Boolean));
  const tabs = others.size === 0 ? "one tab; open a second one to share the work" : `${others.size + 1} tabs`;
  log("Race", `${answers.length} refreshes from ${tabs}: ${good.length} answered 200, ${tokens.size} distinct refresh token${tokens.size === 1 ? "" : "s"}`,
    good.length === answers.length && tokens.size <= 1 ? "good" : "bad");
  at("demo-answer").textContent = `${answers.length} × POST /token with ${mask(token)}\n\n` +
    [...tally(answers.map((answer) => `${problem(answer)} → ${answer.body?.refresh_token ? mask(answer.body.refresh_token) : "no refresh token"}`))]
      .map(([what, count]) => `${String(count).padStart(3)} × ${what}`).join("\n");
  const last = good.find(({ body }) => body.refresh_token);
  if (last && kept) store.set({ ...kept, refresh: last.body.refresh_token });
  if (answers.some(({ body }) => body?.error === "invalid_grant")) await refreshAsOwner();
}

// ---- Ending ----------------------------------------------------------------------------------------------------

/**
 * Asks the API until it refuses the access token: `{answer, calls, ms}`. It verifies tokens in its own memory and learns
 * of a revocation from the feed, a moment after the answer to whoever revoked.
 */
async function untilRefused(token, patience = 30_000) {
  const headers = { Authorization: `Bearer ${token}` };
  const began = performance.now();
  for (let calls = 1; ; calls += 1) {
    const answer = await call("/demo/api/me", { headers });
    const ms = Math.round(performance.now() - began);
    say(`Waiting for the API to refuse: ${ms} ms, ${calls} calls`, "bad");
    if (answer.status === 401 || ms > patience) return { answer, calls, ms };
    await pause(POLL);
  }
}

async function revokeSession() {
  const [old, token] = [access, kept.refresh];
  await client.logout();
  log("Owner", "Revoke: confirmed", "good");
  const check = await refresh(server, app, token);
  log("Server", `A refresh with the revoked token: ${problem(check)}`, check.body?.error === "invalid_grant" ? "good" : "bad");
  const { answer: last, ms } = await untilRefused(old);
  log("Server", `API call: ${problem(last)}, ${ms} ms after that`, last.status === 401 ? "good" : "bad");
  ended("the refresh token was revoked");
}

async function logoutAll() {
  const [old, token] = [access, kept.refresh];
  const headers = { Authorization: `Bearer ${old}` };
  const answer = await call("/demo/api/logout-all", { method: "POST", headers });
  log("Owner", `Log out all devices: ${problem(answer)}`, answer.status < 300 && answer.status > 0 ? "good" : "bad");
  at("demo-answer").textContent = `POST /demo/api/logout-all → ${answer.status || "no answer"}\n\n${pretty(answer.body)}`;
  if (answer.status >= 300 || answer.status === 0) return;

  const { answer: last, calls, ms } = await untilRefused(old);
  log("Server", last.status === 401
    ? `The API refused the access token ${ms} ms after the answer (call ${calls})`
    : `The API still accepts the access token after 30 s: ${problem(last)}`, last.status === 401 ? "good" : "bad");
  const check = await refresh(server, app, token);
  log("Server", `A refresh after log-out: ${problem(check)}`, check.body?.error === "invalid_grant" ? "good" : "bad");
  await client.logout();
  ended("all devices were logged out");
}

// ---- The thief -------------------------------------------------------------------------------------------------

function steal() {
  thief = { token: kept.refresh, generation: kept.generation, used: false };
  at("demo-verdict").hidden = true;
  log("Thief", `Copied the refresh token ${mask(thief.token)}`, "warn");
  show();
}

async function presentCopy() {
  const facts = { copy: thief.token, current: kept?.refresh ?? null, behind: kept ? kept.generation - thief.generation : 0 };
  const answer = await refresh(server, app, thief.token);
  log("Thief", `Presents ${mask(thief.token)}: ${problem(answer)}`, "warn");
  const meaning = explain(answer, facts);
  verdict(meaning);
  thief.used = true;
  if (answer.status === 200 && answer.body.refresh_token) {
    thief = { token: answer.body.refresh_token, generation: kept?.generation ?? 0, used: true };
  }
  if (answer.body?.error === "invalid_grant" && kept) {
    await callApi();
    await refreshAsOwner({ silent: true });
  }
  show();
}

/** The whole story: copy, refresh, wait until no retry is possible, refresh again, present the copy. */
async function playScene() {
  const clock = at("demo-scene-clock");
  clock.hidden = false;
  try {
    steal();
    clock.textContent = "The thief has a copy. The owner refreshes …";
    if ((await refreshAsOwner())?.status !== 200) return;
    const until = Date.now() + (windows.hold + 1) * 1000;
    while (Date.now() < until) {
      if (!kept) return;
      clock.textContent = `The owner works on. ${Math.ceil((until - Date.now()) / 1000)} s until the next refresh …`;
      await pause(250);
    }
    if ((await refreshAsOwner())?.status !== 200) return;
    clock.textContent = "The owner has used the successor. Now the thief comes …";
    await pause(800);
    await presentCopy();
  } finally {
    clock.hidden = true;
  }
}

// ---- The page --------------------------------------------------------------------------------------------------

let drawn = {}; // the tokens whose claims are on the page

function show() {
  const session = client?.session ?? null;
  const signedIn = session !== null && kept !== null;
  at("in").hidden = at("demo-claims").hidden = !signedIn;
  at("out").hidden = signedIn;
  at("work").hidden = !signedIn && !at("demo-log").children.length;
  for (const id of ["demo-api", "demo-refresh", "demo-race", "demo-logout-all", "demo-revoke", "demo-steal", "demo-owner", "demo-scene"]) {
    at(id).disabled = !signedIn || busy;
  }
  at("demo-thief").disabled = !thief || busy;
  at("thief-loot").textContent = thief ? `The thief holds ${mask(thief.token)}.` : "The thief has nothing.";
  if (!signedIn) { drawn = {}; return; }
  say(`Signed in as ${session.preferred_username ?? session.name ?? session.sub}`, "good");
  at("demo-refresh-token").textContent = mask(kept.refresh);
  at("demo-generation").textContent = kept.generation === 1 ? "once" : `${kept.generation} times`;
  tick();
  if (drawn.access === access && drawn.id === kept.idToken) return;
  drawn = { access, id: kept.idToken };
  void draw("demo-id-claims", "id-signature", kept.idToken);
  void draw("demo-access-claims", "access-signature", access);
}

async function draw(where, badge, jwt) {
  const token = decode(jwt);
  at(where).textContent = token ? pretty(token.claims) : "Not a JWT.";
  const good = await verify(server, jwt);
  at(badge).textContent = good === null ? "" : `${token.header.alg} signature ${good ? "checked" : "is wrong"}`;
  at(badge).className = `badge ${good ? "good" : "bad"}`;
}

function tick() {
  if (!kept) return;
  const left = Math.ceil((decode(access)?.claims.exp ?? 0) - Date.now() / 1000);
  at("demo-expiry").textContent = left > 0 ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left` : "expired";
  const age = kept.refreshedAt === null ? null : Math.floor((Date.now() - kept.refreshedAt) / 1000);
  at("demo-age").textContent = age === null ? "not yet" : `${age} s`;
  const now = age === null ? null : age <= windows.retry ? "retry" : age <= windows.hold ? "hold" : "late";
  for (const name of ["retry", "hold", "late"]) at(`window-${name}`).toggleAttribute("data-now", name === now);
}

function say(text, tone = "") {
  const status = at("demo-status");
  if (status.textContent !== text) status.textContent = text;
  status.dataset.tone = tone;
}

function log(who, what, tone = "") {
  const line = document.createElement("li");
  line.dataset.tone = tone;
  const time = document.createElement("time");
  const now = new Date();
  time.dateTime = now.toISOString();
  time.textContent = now.toLocaleTimeString("en-GB");
  line.append(time, span("who", who), span("what", what));
  at("demo-log").prepend(line);
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function verdict({ name, tone, words }) {
  const box = at("demo-verdict");
  box.hidden = false;
  box.dataset.tone = tone;
  const heading = document.createElement("strong");
  heading.textContent = `The server decides: ${name}`;
  const text = document.createElement("p");
  text.textContent = words;
  box.replaceChildren(heading, text);
  log("Server", `Verdict: ${name}`, tone);
}

function mask(token) {
  return `${token.slice(0, 8)}…${token.slice(-6)}`;
}

function pretty(body) {
  return typeof body === "string" ? body : JSON.stringify(body, null, 2);
}

function tally(items) {
  return items.reduce((counts, item) => counts.set(item, (counts.get(item) ?? 0) + 1), new Map());
}

let busy = false;

/** One action at a time; a fault ends up in the log instead of the console. */
function on(id, action) {
  at(id).addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    show();
    try { await action(); } catch (fault) { log("Page", String(fault), "bad"); } finally { busy = false; show(); }
  });
}

async function start() {
  on("demo-signin", () => client.signIn({ returnTo: "/demo" }));
  on("demo-api", () => callApi());
  on("demo-refresh", () => refreshAsOwner());
  on("demo-owner", () => refreshAsOwner());
  on("demo-race", race);
  on("demo-revoke", revokeSession);
  on("demo-logout-all", logoutAll);
  on("demo-steal", steal);
  on("demo-thief", presentCopy);
  on("demo-scene", playScene);
  setInterval(tick, 250);

  server = await discover();
  if (new URL(server.issuer).origin !== location.origin) {
    const link = document.createElement("a");
    link.href = `${server.issuer}/demo`;
    link.textContent = link.href;
    at("demo-status").replaceChildren("Open this page at the issuer's address: ", link);
    return;
  }
  client = tokenClient({ issuer: server.issuer, clientId: app.id, redirectUri: app.redirectUri, scope: app.scope, store });
  client.onChange(changed);
  at("demo-signin").disabled = false;
  const answered = new URLSearchParams(location.search).has("state");
  if (!answered) await askOtherTabs();
  await client.ready();
  if (location.pathname !== "/demo" || location.search) history.replaceState(null, "", "/demo");
  if (client.returnError) throw client.returnError;
  if (client.session) {
    if (answered) log("Owner", "Signed in; code traded for tokens", "good");
  } else {
    say("Not signed in");
  }
}

start().catch((fault) => { say(fault.message, "bad"); log("Page", fault.message, "bad"); });
