// The fetch function: where the token goes, where it does not, and what is sent again.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, test } from "node:test";
import { SignetError, stepUp } from "@signet/spa";
import { API, APP, bearer, CookieServer, json, signedIn, Tab, World } from "./support.mjs";

const REFUSED = 'error="invalid_token", error_description="expired"';
const authorization = (server, at = -1) => server.asked.at(at).request.headers.get("authorization");

/** An API that refuses one token. */
async function refusing(old = "at1") {
  const all = await signedIn();
  all.server.api = (request) => (request.headers.get("authorization") === `Bearer ${old}` ? bearer(REFUSED) : json(200, { ok: true }));
  all.calls = () => all.server.asked.filter(({ origin }) => origin === API);
  return all;
}

describe("the token goes", () => {
  test("to the origins that were named, whatever the form of the address", async () => {
    const { world, server, client } = await signedIn({ apis: [API, "https://app.example.com"] });
    for (const input of [`${API}/a`, new URL(`${API}/b`), new Request(`${API}/c`), "/d", "../e", "//api.example.com/f"]) {
      await world.until(client.fetch(input));
      assert.equal(authorization(server), "Bearer at1", String(input.url ?? input));
    }
  });

  test("to no other", async () => {
    const { world, server, client } = await signedIn();
    for (const input of [
      "https://api.example.com.evil.test/", "http://api.example.com/", "https://api.example.com:8443/", "https://evil.test/https://api.example.com",
      "https://sub.api.example.com/", "/here", new Request("https://evil.test/"), "https://api.example.com\u3002evil.test/",
    ]) {
      await world.until(client.fetch(input));
      assert.equal(authorization(server), null, String(input.url ?? input));
      assert.notEqual(server.asked.at(-1).origin, API);
    }
  });

  test("nowhere if no origin was named", async () => {
    const { world, server, client } = await signedIn({ apis: [] });
    await world.until(client.fetch(`${API}/a`));
    assert.equal(authorization(server), null);
  });

  test("not over a header that is there", async () => {
    const { world, server, client } = await signedIn();
    await world.until(client.fetch(`${API}/a`, { headers: { Authorization: "Basic x" } }));
    assert.equal(authorization(server), "Basic x");
    await world.until(client.fetch(new Request(`${API}/a`, { headers: { authorization: "Basic y" } })));
    assert.equal(authorization(server), "Basic y");
  });

  test("with everything else as it was", async () => {
    const { world, server, client } = await signedIn();
    await world.until(client.fetch(`${API}/a`, { method: "PUT", body: "text", headers: [["X-One", "1"]] }));
    await world.until(client.fetch(new Request(`${API}/a`, { method: "PATCH", body: "other", headers: { "X-Two": "2" } }), { headers: { "X-Three": "3" } }));
    const [one, two] = server.asked.slice(-2);
    assert.deepEqual([one.request.method, one.text, one.request.headers.get("x-one")], ["PUT", "text", "1"]);
    assert.deepEqual([two.request.method, two.text, two.request.headers.get("x-three")], ["PATCH", "other", "3"]);
  });

  test("nowhere when nobody is signed in: the call fails instead of going out bare", async () => {
    const world = new World();
    const server = new CookieServer(world);
    const client = new Tab(world, server).cookie();
    await assert.rejects(world.until(client.fetch(`${API}/a`)), (error) => error instanceof SignetError && error.kind === "signed-out");
    assert.equal(server.asked.filter(({ origin }) => origin === API).length, 0);
    await world.until(client.fetch(`${APP}/public`));
  });
});

describe("after a 401 invalid_token", () => {
  test("it is refreshed once and sent once more, body and all", async () => {
    for (const call of [
      (client) => client.fetch(`${API}/a`, { method: "POST", body: "text" }),
      (client) => client.fetch(`${API}/a`, { method: "POST", body: new URLSearchParams({ a: "1" }) }),
      (client) => client.fetch(`${API}/a`, { method: "POST", body: new Blob(["blob"]) }),
      (client) => client.fetch(new Request(`${API}/a`, { method: "POST", body: "request" })),
    ]) {
      const { world, server, client, calls } = await refusing();
      const response = await world.until(call(client));
      assert.equal(response.status, 200);
      assert.equal(server.count("/refresh"), 2);
      const [first, second] = calls();
      assert.equal(second.request.headers.get("authorization"), "Bearer at2");
      assert.ok(first.text.length > 0);
      assert.equal(second.text, first.text);
    }
  });

  test("nothing is sent again in the name of another user", async () => {
    const { world, server, client, calls } = await refusing();
    server.claims = { ...server.claims, sub: "bob", sid: "s2" };
    assert.equal((await world.until(client.fetch(`${API}/a`, { method: "POST", body: "alice's" }))).status, 401);
    assert.equal(calls().length, 1);
    assert.equal(client.session.sub, "bob");
    assert.equal((await world.until(client.fetch(`${API}/a`))).status, 200);
  });

  test("ten calls at once share the refresh", async () => {
    const { world, server, client, calls } = await refusing();
    const responses = await world.until(Promise.all(Array.from({ length: 10 }, (_, i) => client.fetch(`${API}/${i}`))));
    assert.ok(responses.every(({ status }) => status === 200));
    assert.equal(server.count("/refresh"), 2);
    assert.equal(calls().length, 20);
  });

  test("a call that was refused with an old token uses the new one without another refresh", async () => {
    const { world, server, client } = await refusing();
    const slow = client.fetch(`${API}/a`);
    await world.pass(1);
    await world.until(client.getAccessToken({ refresh: true }));
    assert.equal((await world.until(slow)).status, 200);
    assert.equal(server.count("/refresh"), 2);
  });

  test("twice is enough: the second refusal is the answer", async () => {
    const { world, server, client, calls } = await refusing();
    server.api = () => bearer(REFUSED);
    assert.equal((await world.until(client.fetch(`${API}/a`))).status, 401);
    assert.equal(calls().length, 2);
    assert.equal(server.count("/refresh"), 2);
  });

  test("a stream is not sent again, but the next call has a new token", async () => {
    const { world, client, calls } = await refusing();
    const body = new Blob(["stream"]).stream();
    assert.equal((await world.until(client.fetch(`${API}/a`, { method: "POST", body, duplex: "half" }))).status, 401);
    assert.equal(calls().length, 1);
    assert.equal((await world.until(client.fetch(`${API}/a`))).status, 200);
  });

  test("where the refresh fails the refusal is the answer, and the session stands or ends as the server says", async () => {
    const one = await refusing();
    one.server.faults = [json(503, {})];
    assert.equal((await one.world.until(one.client.fetch(`${API}/a`))).status, 401);
    assert.equal(one.client.session.sub, "alice");
    const two = await refusing();
    two.server.family.ended = true;
    assert.equal((await two.world.until(two.client.fetch(`${API}/a`))).status, 401);
    assert.deepEqual(two.tab.seen, ["signed-in", "signed-out"]);
  });
});

describe("nothing is refreshed or repeated", () => {
  for (const [name, answer] of [
    ["after 403", () => bearer('error="insufficient_scope", scope="write"', 403)],
    ["after 403, even with invalid_token", () => bearer(REFUSED, 403)],
    ["after 401 without an error", () => bearer('realm="api"')],
    ["after 401 without a challenge", () => json(401, {})],
    ["after 401 whose error is another scheme's", () => new Response("", { status: 401, headers: { "WWW-Authenticate": 'Bearer realm="a", DPoP error="invalid_token"' } })],
    ["after an error that only stands in a text", () => bearer('error_description="not error=\\"invalid_token\\", no", error="invalid_request"')],
    ["after 500", () => json(500, {})],
  ]) {
    test(name, async () => {
      const { world, server, client } = await signedIn();
      server.api = answer;
      await world.until(client.fetch(`${API}/a`, { method: "POST", body: "x" }));
      assert.equal(server.count("/refresh"), 1);
      assert.equal(server.count("/a"), 1);
    });
  }

  test("after no answer: the failure is the caller's", async () => {
    const { world, server, client } = await signedIn();
    server.api = () => { throw new TypeError("Failed to fetch"); };
    await assert.rejects(world.until(client.fetch(`${API}/a`)), TypeError);
    assert.equal(server.count("/refresh"), 1);
  });
});

test("the challenge is found among others, in any case and with commas in its texts", async () => {
  for (const header of [
    `DPoP algs="ES256 PS256", Bearer ${REFUSED}`, 'bearer realm="a, b", ERROR="invalid_token"', "Basic realm=x, Bearer error = invalid_token",
    'Negotiate abc==, Bearer scope="x", error="invalid_token"',
  ]) {
    const { world, server, client } = await signedIn();
    server.api = () => new Response("", { status: 401, headers: { "WWW-Authenticate": header } });
    await world.until(client.fetch(`${API}/a`));
    assert.equal(server.count("/refresh"), 2, header);
  }
});

test("insufficient_user_authentication is told, with what to ask of the user, and not refreshed", async () => {
  const { world, server, tab, client } = await signedIn();
  const challenge = 'error="insufficient_user_authentication", error_description="A different, more recent one", acr_values="gold silver", max_age="300"';
  server.api = () => bearer(challenge);
  const response = await world.until(client.fetch(`${API}/pay`));
  assert.equal(response.status, 401);
  assert.deepEqual(tab.changes.at(-1), { type: "step-up", url: `${API}/pay`, maxAge: 300, acrValues: "gold silver" });
  assert.deepEqual(stepUp(response), { maxAge: 300, acrValues: "gold silver" });
  assert.equal(stepUp(bearer(REFUSED)), null);
  assert.equal(stepUp(bearer(challenge, 403)), null);
  assert.equal(server.count("/refresh"), 1);
  await client.signIn(tab.changes.at(-1));
  const asked = new URL(tab.visited[0]).searchParams;
  assert.deepEqual([asked.get("max_age"), asked.get("acr_values")], ["300", "gold silver"]);
});

test("the platform's fetch drops the token when a redirect leads to another origin, and keeps it within one", async () => {
  const seen = [];
  const listen = async (handler) => {
    const server = createServer(handler);
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return [server, `http://127.0.0.1:${server.address().port}`];
  };
  const [elsewhere, other] = await listen((request, response) => {
    seen.push(request.headers.authorization ?? "none");
    response.end("ok");
  });
  const [api, origin] = await listen((request, response) => {
    seen.push(request.headers.authorization ?? "none");
    if (request.url === "/last") return response.end("ok");
    response.writeHead(307, { Location: request.url === "/away" ? `${other}/x` : "/last" }).end();
  });
  const { world, client, tab } = await signedIn({ apis: [origin] });
  const token = await client.getAccessToken();
  tab.environment.fetch = fetch;
  assert.equal((await client.fetch(`${origin}/away`)).status, 200);
  assert.equal((await client.fetch(`${origin}/near`)).status, 200);
  assert.deepEqual(seen, [`Bearer ${token}`, "none", `Bearer ${token}`, `Bearer ${token}`]);
  client.close();
  elsewhere.close();
  api.close();
  assert.ok(world);
});
