// Cross-site request forgery, tried from a real browser that is signed in: by another site, by a neighbour on the same
// root domain (for which SameSite does nothing), and from where the origin is `null`.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { EVIL, fillIn, LOGIN, PASSWORD, raise, SHOP, SIBLING, signedIn, signInAt } from "./lib/stage.mjs";
import { until } from "./lib/wait.mjs";

const script = await readFile(new URL("./lib/attacks.js", import.meta.url), "utf8");
const CHANGING = ["/refresh", "/session/logout", "/session/logout_all", "/login", "/consent", "/logout", "/end_session",
  "/account", "/account/password", "/account/sessions", "/account/applications"];
const GUESSES = { action: "logout", csrf: "x".repeat(43), interaction: "x".repeat(43), everywhere: "1", username: "mallory",
  password: PASSWORD, current: PASSWORD, new: "another long password", client: "shop", session: "all", given_name: "Mallory" };
const PAGES = ["/", "/authorize", "/login", "/consent", "/logout", "/logged-out", "/end_session", "/session/start", "/session/callback", "/account",
  "/account/password", "/account/sessions", "/account/applications", "/account/activity", "/demo", "/demo/app"];

/** What the browser says of attacks that came to nothing, and all that it may say. */
const REFUSALS = [
  /^Access to (fetch|XMLHttpRequest|resource) at 'https:\/\/login\.main\.test:\d+\/[^']*' from origin '(https:\/\/evil\.(main\.)?test:\d+|null)' has been blocked by CORS policy/,
  /^Failed to load resource: net::ERR_(FAILED|BLOCKED_BY_RESPONSE\.NotSameOrigin) at https:\/\/login\.main\.test:\d+\//,
  /^Failed to load resource: the server responded with a status of 4(00|03|15) \(.*\) at (https:\/\/login\.main\.test:\d+\/|chrome-error:)/,
  /^Framing 'https:\/\/login\.main\.test:\d+\/' violates the following Content Security Policy directive: "frame-ancestors 'none'"/,
];

let stage;
let shop;
let user;
let victim;
let page;
before(async () => {
  stage = await raise({ gate: true });
  shop = await stage.application("shop", SHOP, LOGIN);
  user = await stage.person();
  await stage.person("mallory");
  victim = await stage.profile();
  page = await signInAt(victim, `${shop}/`, user);
});
after(async () => {
  await victim?.close();
  await stage?.close();
});

/** Everything that an attack could have changed, as the operator sees it. Being seen is no change. */
async function state() {
  const sessions = await stage.sessionsOf(user);
  for (const session of sessions) {
    delete session.last_seen_at;
  }
  const events = (await stage.auditOf(user)).map(({ id, event }) => `${event} ${id}`);
  const { sessions: other } = await stage.signet("user", "sessions", "mallory");
  const { user: person, ...shown } = await stage.signet("user", "show", user);
  const cookies = (await victim.context.cookies()).map(({ name, domain, value }) => `${domain} ${name} ${value}`).sort();
  return { sessions, events, other, person, shown, cookies };
}

const HOSTILE = {
  "another site": async () => {
    const attacker = await victim.page(stage.sites.page(EVIL, "/attack", "<!DOCTYPE html><title>evil</title><body>"));
    return [attacker, attacker.mainFrame()];
  },
  "a neighbour on the same root domain": async () => {
    const attacker = await victim.page(stage.sites.page(SIBLING, "/attack", "<!DOCTYPE html><title>evil</title><body>"));
    return [attacker, attacker.mainFrame()];
  },
  "a sandboxed frame of that neighbour, whose origin is null": async () => {
    const attacker = await victim.page(stage.sites.page(SIBLING, "/sandbox",
      '<!DOCTYPE html><iframe sandbox="allow-scripts allow-forms" srcdoc="<!DOCTYPE html><title>null</title><body>"></iframe>'));
    return [attacker, await frameOf(attacker)];
  },
  "a data: document, whose origin is null": async () => {
    const attacker = await victim.page(stage.sites.page(EVIL, "/data",
      '<!DOCTYPE html><iframe src="data:text/html,<!DOCTYPE html><title>data</title><body>"></iframe>'));
    return [attacker, await frameOf(attacker)];
  },
};
const frameOf = (attacker) => until("the frame is there", () => attacker.frames()[1]);

for (const [where, open] of Object.entries(HOSTILE)) {
  test(`nothing that ${where} makes the browser send changes anything, or can be read`, async () => {
    const before = await state();
    const [attacker, frame] = await open();
    stage.gate.reset();
    await frame.evaluate(script);
    for (const path of CHANGING) {
      const read = await frame.evaluate(([target, what]) => globalThis.attack(target, what),
        [stage.issuer + path, { client: "shop", guesses: GUESSES }]);
      assert.deepEqual(read, [], path);
    }
    // Beacons and keep-alive requests have no reply to wait for.
    await until("the last beacon has its answer", () => stage.gate.seen.every(({ status }) => status)
      && stage.gate.at(CHANGING.at(-1)).filter(({ method }) => method === "POST").length >= 8);
    await attacker.close();
    const arrived = stage.gate.seen;
    for (const path of CHANGING) assert.ok(stage.gate.at(path).some(({ method }) => method === "POST"), `${path} was attacked`);
    for (const { method, path, status, answer } of arrived) {
      const who = `${method} ${path} ${status}`;
      // A POST to a sign-out page that comes without the session's cookie is a question, or the way to one: no deed.
      const isQuestion = path === "/logout" || (path === "/end_session" && status === 303);
      if (method === "POST" && !isQuestion) assert.ok(status >= 400 && status < 500, who);
      assert.equal(answer?.["access-control-allow-origin"], undefined, who);
      for (const cookie of answer?.["set-cookie"] ?? []) assert.doesNotMatch(cookie, /refresh|session|transaction/, who);
    }
    for (const path of ["/refresh", "/session/logout", "/session/logout_all"]) {
      const posts = stage.gate.at(path).filter(({ method }) => method === "POST");
      assert.deepEqual([...new Set(posts.map(({ status }) => status))], [403], path);
    }
    assert.deepEqual(await state(), before);
  });
}

describe("what the browser itself does", () => {
  const cookiesSent = () => stage.gate.seen.filter(({ method }) => method !== "OPTIONS")
    .flatMap(({ headers }) => (headers.cookie ?? "").split(/; */)).map((one) => one.split("=")[0]).filter(Boolean);

  async function postFrom(host) {
    const attacker = await victim.page(stage.sites.page(host, "/post", "<!DOCTYPE html><title>evil</title><body>"));
    stage.gate.reset();
    await attacker.evaluate((target) => fetch(target, { method: "POST", mode: "no-cors", credentials: "include", body: "{}" }), `${stage.issuer}/refresh`);
    await attacker.close();
    return cookiesSent();
  }

  test("another site's requests carry no cookie of ours (SameSite)", async () => {
    assert.deepEqual(await postFrom(EVIL), []);
  });

  test("a neighbour's requests carry them all: there the origin is what counts", async () => {
    const sent = await postFrom(SIBLING);
    assert.ok(sent.some((name) => name.startsWith("__Host-Http-refresh-")), String(sent));
    assert.ok(sent.includes("__Host-signet_session"), String(sent));
  });

  test("a form that opens a window of its own signs nobody out", async () => {
    const before = await state();
    for (const host of [EVIL, SIBLING]) {
      const attacker = await victim.page(stage.sites.page(host, "/window",
        `<!DOCTYPE html><form method="post" action="${stage.issuer}/logout" target="_blank" rel="opener">
         <input name="action" value="logout"><input name="csrf" value="x"><button>Win a prize</button></form>`));
      const [window] = await Promise.all([victim.context.waitForEvent("page"), attacker.click("button")]);
      await window.waitForLoadState();
      await window.close();
      await attacker.close();
    }
    assert.deepEqual(await state(), before);
  });

  test("no page of ours shows in a frame of anybody else's", async () => {
    for (const host of [EVIL, SIBLING]) {
      const frames = PAGES.map((path) => `<iframe src="${stage.issuer}${path}"></iframe>`).join("");
      const attacker = await victim.page(stage.sites.page(host, "/frames", `<!DOCTYPE html><title>evil</title>${frames}`));
      const shown = attacker.frames().slice(1).filter((frame) => !frame.url().startsWith("chrome-error:"));
      assert.deepEqual(shown.map((frame) => frame.url()), []);
      assert.equal(attacker.frames().length, PAGES.length + 1);
      await attacker.close();
    }
  });

  test("a page of ours that somebody opened gives its opener nothing to hold", async () => {
    const attacker = await victim.page(stage.sites.page(EVIL, "/opener", "<!DOCTYPE html><title>evil</title><body><button>x</button>"));
    await attacker.evaluate((target) => {
      document.querySelector("button").onclick = () => { globalThis.opened = open(target); };
    }, `${stage.issuer}/logout`);
    const [window] = await Promise.all([victim.context.waitForEvent("page"), attacker.click("button")]);
    await window.waitForLoadState();
    assert.equal(await window.evaluate(() => globalThis.opener), null);
    assert.equal(await attacker.evaluate(() => globalThis.opened.closed), true);
    await window.close();
    await attacker.close();
  });
});

test("a sign-in form that an attacker began signs nobody else in", async () => {
  const attacker = await stage.profile();
  const form = await attacker.page();
  await form.goto(`${stage.issuer}/session/start?${new URLSearchParams({ client_id: "shop", return_to: `${shop}/` })}`);
  await form.locator("#login-form").waitFor();
  const kept = new Promise((resolve) => stage.gate.next("/login", (exchange) => {
    exchange.answer(200, { "content-type": "text/html" }, "kept");
    resolve(exchange.entry.sent);
  }));
  await fillIn(form, "mallory");
  const fields = Object.fromEntries(new URLSearchParams(await kept));
  assert.deepEqual([fields.username, fields.password], ["mallory", PASSWORD]);
  stage.gate.reset();
  for (const host of [EVIL, SIBLING]) {
    const naive = await stage.profile({ expected: [/status of 40\d/] });
    const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`).join("");
    const trap = await naive.page(stage.sites.page(host, "/login",
      `<!DOCTYPE html><form method="post" action="${stage.issuer}/login">${inputs}<button>Win a prize</button></form>`));
    await Promise.all([trap.waitForNavigation(), trap.click("button")]);
    assert.ok([400, 403].includes(stage.gate.at("/login").at(-1).status));
    assert.deepEqual((await naive.context.cookies()).filter(({ name }) => /session|refresh/.test(name)), []);
    await trap.goto(`${shop}/auto`);
    await trap.locator("#status", { hasText: "Came back with login_required" }).waitFor();
    assert.deepEqual(naive.faults, []);
    await naive.close();
  }
  assert.deepEqual(await stage.sessionsOf("mallory"), []);
  await attacker.close();
});

test("after all of this the person is still signed in", async () => {
  await page.reload();
  await signedIn(page);
  assert.deepEqual(victim.faults.filter((fault) => !REFUSALS.some((known) => known.test(fault))), []);
});
