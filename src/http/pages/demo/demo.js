// The demo page: state in memory, one function per button, and a channel to the other tabs.
import { beginSignIn, call, decode, discover, finishSignIn, problem, refresh, revoke, verify } from "/assets/demo-oauth.js";
import { explain, explainOwner } from "/assets/demo-verdict.js";

const client = {
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
/** The tokens, or null: `{access, refresh, id, expiresAt, refreshedAt, generation}`. In memory, and nowhere else. */
let session = null;
/** The thief's copy, or null: `{token, generation}`. `generation` counts the owner's refreshes when it was made. */
let thief = null;
let waiting = {}; // answers that other tabs owe this one, by kind

// ---- Session ---------------------------------------------------------------------------------------------------

function adopt(next, { tell = true } = {}) {
  session = next;
  if (tell) channel.postMessage({ kind: "session", session });
  show();
}

function renew(body) {
  const now = Date.now();
  const rotated = Boolean(body.refresh_token) && body.refresh_token !== session?.refresh;
  adopt({
    access: body.access_token,
    refresh: body.refresh_token ?? session?.refresh ?? null,
    id: body.id_token ?? session?.id ?? null,
    expiresAt: now + (body.expires_in ?? 0) * 1000,
    refreshedAt: rotated && session ? now : session?.refreshedAt ?? null,
    generation: session ? session.generation + (rotated ? 1 : 0) : 0,
  });
}

function end(why) {
  session = null;
  channel.postMessage({ kind: "ended", why });
  show();
  say(`Signed out: ${why}`, "bad");
}

async function callApi(who = "Owner") {
  const answer = await call("/demo/api/me", { headers: { Authorization: `Bearer ${session?.access ?? ""}` } });
  at("demo-answer").textContent = `GET /demo/api/me → ${answer.status || "no answer"}\n\n${pretty(answer.body)}`;
  log(who, `API call: ${problem(answer)}`, answer.status === 200 ? "good" : "bad");
  return answer;
}

async function refreshAsOwner({ silent = false } = {}) {
  if (!session?.refresh) return null;
  const before = session.refresh;
  const answer = await refresh(server, client, before);
  const meaning = thief?.used && !silent ? explainOwner(answer, thief.token) : null;
  if (answer.status === 200) {
    renew(answer.body);
    const what = !answer.body.refresh_token || answer.body.refresh_token === before ? "no new refresh token" : "new tokens";
    log("Owner", `Refresh: ${what} in ${Math.round(answer.ms)} ms`, "good");
  } else {
    log("Owner", `Refresh: ${problem(answer)}`, "bad");
  }
  if (meaning) verdict(meaning);
  // Only invalid_grant means signed out: a fault or a busy server leaves the session as it is.
  if (answer.body?.error === "invalid_grant") end("the server refused the refresh token");
  return answer;
}

// ---- Other tabs ------------------------------------------------------------------------------------------------

channel.addEventListener("message", ({ data }) => {
  switch (data?.kind) {
    case "hello": if (session) channel.postMessage({ kind: "welcome", session }); break;
    case "welcome": waiting.welcome?.(data); break;
    case "session": adopt(data.session, { tell: false }); break;
    case "ended": if (session) { session = null; show(); say(`Signed out in another tab: ${data.why}`, "bad"); log("Tab", "Another tab ended the session", "bad"); } break;
    case "race": channel.postMessage({ kind: "racer", tab }); break;
    case "racer": waiting.racer?.(data); break;
    case "start": void joinRace(data); break;
    case "results": waiting.results?.(data); break;
  }
});

/** Asks the other tabs for the session; false when none has it. */
async function askOtherTabs() {
  const answer = new Promise((resolve) => { waiting.welcome = resolve; });
  channel.postMessage({ kind: "hello" });
  const found = await Promise.race([answer, pause(400)]);
  if (!found) return false;
  adopt(found.session, { tell: false });
  log("Tab", "Got the session from another tab, in memory");
  return true;
}

async function joinRace({ share, token }) {
  log("Tab", `Another tab starts a race: ${share} refreshes from here`);
  channel.postMessage({ kind: "results", tab, answers: await volley(share, token) });
}

function volley(count, token) {
  return Promise.all(Array.from({ length: count }, () => refresh(server, client, token)));
}

async function race() {
  const others = new Set();
  waiting.racer = (data) => others.add(data.tab);
  channel.postMessage({ kind: "race" });
  await pause(200);
  const share = Math.ceil(RACERS / (others.size + 1));
  const token = session.refresh;
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
  const last = good.find(({ body }) => body.refresh_token) ?? good[0];
  if (last) renew(last.body);
  if (answers.some(({ body }) => body?.error === "invalid_grant")) end("the server refused a refresh in the race");
}

// ---- Ending ----------------------------------------------------------------------------------------------------

/**
 * Asks the API until it refuses the access token: `{answer, calls, ms}`. It verifies tokens in its own memory and learns
 * of a revocation from the feed, a moment after the answer to whoever revoked.
 */
async function untilRefused(access, patience = 30_000) {
  const headers = { Authorization: `Bearer ${access}` };
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
  const { access, refresh: token } = session;
  const answer = await revoke(server, client, token);
  log("Owner", `Revoke: ${problem(answer)}`, answer.status === 200 ? "good" : "bad");
  if (answer.status !== 200) return;
  const check = await refresh(server, client, token);
  log("Server", `A refresh with the revoked token: ${problem(check)}`, check.body?.error === "invalid_grant" ? "good" : "bad");
  const { answer: last, ms } = await untilRefused(access);
  log("Server", `API call: ${problem(last)}, ${ms} ms after that`, last.status === 401 ? "good" : "bad");
  end("the refresh token was revoked");
}

async function logoutAll() {
  const { access, refresh: token } = session;
  const headers = { Authorization: `Bearer ${access}` };
  const answer = await call("/demo/api/logout-all", { method: "POST", headers });
  log("Owner", `Log out all devices: ${problem(answer)}`, answer.status < 300 && answer.status > 0 ? "good" : "bad");
  at("demo-answer").textContent = `POST /demo/api/logout-all → ${answer.status || "no answer"}\n\n${pretty(answer.body)}`;
  if (answer.status >= 300 || answer.status === 0) return;

  const { answer: last, calls, ms } = await untilRefused(access);
  log("Server", last.status === 401
    ? `The API refused the access token ${ms} ms after the answer (call ${calls})`
    : `The API still accepts the access token after 30 s: ${problem(last)}`, last.status === 401 ? "good" : "bad");
  const check = await refresh(server, client, token);
  log("Server", `A refresh after log-out: ${problem(check)}`, check.body?.error === "invalid_grant" ? "good" : "bad");
  end("all devices were logged out");
}

// ---- The thief -------------------------------------------------------------------------------------------------

function steal() {
  thief = { token: session.refresh, generation: session.generation, used: false };
  at("demo-verdict").hidden = true;
  log("Thief", `Copied the refresh token ${mask(thief.token)}`, "warn");
  show();
}

async function presentCopy() {
  const facts = { copy: thief.token, current: session?.refresh ?? null, behind: session ? session.generation - thief.generation : 0 };
  const answer = await refresh(server, client, thief.token);
  log("Thief", `Presents ${mask(thief.token)}: ${problem(answer)}`, "warn");
  const meaning = explain(answer, facts);
  verdict(meaning);
  thief.used = true;
  if (answer.status === 200 && answer.body.refresh_token) {
    thief = { token: answer.body.refresh_token, generation: session?.generation ?? 0, used: true };
  }
  if (answer.body?.error === "invalid_grant" && session) {
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
      if (!session) return;
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

let drawn = null; // the session whose claims are on the page

function show() {
  const signedIn = session !== null;
  at("in").hidden = at("demo-claims").hidden = !signedIn;
  at("out").hidden = signedIn;
  at("work").hidden = !signedIn && !at("demo-log").children.length;
  for (const id of ["demo-api", "demo-refresh", "demo-race", "demo-logout-all", "demo-revoke", "demo-steal", "demo-owner", "demo-scene"]) {
    at(id).disabled = !signedIn || busy;
  }
  at("demo-thief").disabled = !thief || busy;
  at("thief-loot").textContent = thief ? `The thief holds ${mask(thief.token)}.` : "The thief has nothing.";
  if (!signedIn) { drawn = null; return; }
  const claims = decode(session.id)?.claims ?? {};
  say(`Signed in as ${claims.preferred_username ?? claims.name ?? claims.sub ?? "someone"}`, "good");
  at("demo-refresh-token").textContent = session.refresh ? mask(session.refresh) : "none";
  at("demo-generation").textContent = session.generation === 1 ? "once" : `${session.generation} times`;
  tick();
  if (drawn?.access === session.access && drawn?.id === session.id) return;
  drawn = session;
  void draw("demo-id-claims", "id-signature", session.id);
  void draw("demo-access-claims", "access-signature", session.access);
}

async function draw(where, badge, jwt) {
  const token = decode(jwt);
  at(where).textContent = token ? pretty(token.claims) : "Not a JWT.";
  const good = await verify(server, jwt);
  at(badge).textContent = good === null ? "" : `${token.header.alg} signature ${good ? "checked" : "is wrong"}`;
  at(badge).className = `badge ${good ? "good" : "bad"}`;
}

function tick() {
  if (!session) return;
  const left = Math.ceil((session.expiresAt - Date.now()) / 1000);
  at("demo-expiry").textContent = left > 0 ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left` : "expired";
  const age = session.refreshedAt === null ? null : Math.floor((Date.now() - session.refreshedAt) / 1000);
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
  on("demo-signin", () => beginSignIn(server, client));
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

  const query = new URLSearchParams(location.search);
  // The code must not stay in the address bar or the history, whatever becomes of it.
  if (location.pathname !== "/demo" || location.search) history.replaceState(null, "", "/demo");
  server = await discover();
  if (new URL(server.issuer).origin !== location.origin) {
    const link = document.createElement("a");
    link.href = `${server.issuer}/demo`;
    link.textContent = link.href;
    at("demo-status").replaceChildren("Open this page at the issuer's address: ", link);
    return;
  }
  at("demo-signin").disabled = false;
  if (query.has("state")) {
    const answer = await finishSignIn(server, client, query);
    log("Owner", `Signed in; code traded for tokens in ${Math.round(answer.ms)} ms`, "good");
    renew(answer.body);
  } else if (!(await askOtherTabs())) {
    say("Not signed in");
  }
}

start().catch((fault) => { say(fault.message, "bad"); log("Page", fault.message, "bad"); });
