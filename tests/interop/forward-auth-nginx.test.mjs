// A classic web application behind Debian's nginx, with the configuration that docs/recipes/forward-auth-nginx.conf
// documents.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { Person, startWorld } from "./lib/forward_auth.mjs";
import { millisecondsUntil, withinASecond } from "./lib/wait.mjs";

let world;
before(async () => { world = await startWorld(); });
after(async () => { await world?.stop(); });
beforeEach(() => { world.app.seen.length = 0; });

const identity = (headers) => Object.fromEntries(Object.entries(headers).filter(([name]) => /^remote[-_]/.test(name)));

/** Somebody who is signed in to the wiki. */
async function signedIn(user = "alice") {
  const person = new Person();
  await person.open(`${world.wiki}/`, { user });
  world.app.seen.length = 0;
  return person;
}

/** How many milliseconds it takes until a person is no longer let in. */
const refused = (person, host) => millisecondsUntil("refused", async () => (await person.request(`${host}/`)).status === 401);

describe("one host for the application", () => {
  test("a page leads to the sign-in and back to itself, with the user's identity at the application", async () => {
    const person = new Person();
    const { status, json, way } = await person.open(`${world.wiki}/a/page?x=1&y=%C3%BC`, { user: "alice" });
    assert.equal(status, 200);
    assert.equal(json.url, "/a/page?x=1&y=%C3%BC");
    assert.equal(json.headers["remote-user"], "alice");
    assert.equal(json.headers["remote-email"], "alice@example.com");
    assert.equal(Buffer.from(json.headers["remote-name"], "latin1").toString(), "alice Ünger");
    assert.equal(json.headers["remote-groups"], "admin");
    assert.match(json.headers["remote-subject"], /^[0-9a-f-]{36}$/);
    const places = way.map((one) => new URL(one.url)).map((url) => `${url.hostname}${url.pathname}`);
    assert.deepEqual(places, [
      "wiki.example.com/a/page", "wiki.example.com/session/start", "login.example.com/authorize", "login.example.com/login",
      "login.example.com/login", "wiki.example.com/session/callback", "wiki.example.com/a/page",
    ]);
    assert.deepEqual(world.app.seen, ["/a/page?x=1&y=%C3%BC"], "the application is asked once, signed in");
    const names = person.cookies(world.wiki).map(({ name }) => name);
    assert.equal(names.filter((name) => /^__Host-Http-session-[\w-]{8}$/.test(name)).length, 1, String(names));
    assert.deepEqual(person.cookies("https://mail.example.com"), [], "no other host gets a cookie");
  });

  test("a page with an address of two thousand characters is come back to", async () => {
    const page = `/search?q=${"%C3%BC".repeat(333)}`;
    const asked = new URLSearchParams({ client_id: "wiki", return_to: `${world.wiki}${page}`, login_hint: "a".repeat(200) });
    for (const begun of [page, `/session/start?${asked}`]) {
      const { status, json } = await new Person().open(`${world.wiki}${begun}`, { user: "alice" });
      assert.deepEqual([status, json?.url], [200, page]);
    }
  });

  test("a second visit asks nobody and goes straight through", async () => {
    const person = await signedIn();
    const { status, way } = await person.open(`${world.wiki}/`);
    assert.deepEqual([status, way.length], [200, 1]);
  });

  test("identity that a browser sends is replaced, and what is unknown is taken away", async () => {
    const person = await signedIn("bob");
    const forged = {
      "remote-user": "root", "Remote-Groups": "admin", "REMOTE-EMAIL": "root@example.com", "remote-name": "Root", "remote-subject": "0",
      remote_user: "root", authorization: "Bearer forged",
    };
    const { status, json } = await person.request(`${world.wiki}/`, { headers: forged });
    assert.equal(status, 200);
    const { "remote-subject": subject, ...told } = identity(json.headers);
    assert.match(subject, /-/);
    assert.deepEqual(told, {
      "remote-user": "bob", "remote-email": "bob@example.com", "remote-name": Buffer.from("bob Ünger").toString("latin1"),
    });
    assert.notEqual(json.headers.authorization, "Bearer forged");
    const open = await new Person().request(`${world.wiki}/static/logo.svg`, { headers: forged });
    assert.equal(open.status, 200);
    assert.deepEqual(identity(open.json.headers), {});
    assert.equal(open.json.headers.authorization, undefined);
  });

  test("an original URL or method that a browser sends changes nothing", async () => {
    const forged = {
      "x-original-url": `${world.wiki}/static/`, "x-original-method": "HEAD", "x-forwarded-host": "docs.example.com",
      "x-forwarded-uri": "/static/", "x-forwarded-proto": "http", "x-forwarded-method": "HEAD", "x-forwarded-for": "127.0.0.1",
    };
    const navigation = { accept: "text/html", "sec-fetch-mode": "navigate" };
    const answer = await new Person().request(`${world.wiki}/page`, { headers: { ...forged, ...navigation } });
    assert.equal(answer.status, 302);
    const { origin, searchParams } = new URL(answer.headers.location);
    assert.deepEqual([origin, searchParams.get("return_to")], [world.wiki, `${world.wiki}/page`]);
    assert.deepEqual(world.app.seen, []);
    const person = await signedIn();
    assert.equal((await person.request(`${world.wiki}/page`, { headers: forged })).status, 200);
  });

  test("a script gets 401 and no redirect", async () => {
    for (const headers of [{ "sec-fetch-mode": "cors", accept: "application/json" }, { accept: "*/*" }, {}]) {
      const answer = await new Person().request(`${world.wiki}/data.json`, { headers });
      assert.equal(answer.status, 401);
      assert.equal(answer.headers.location, undefined);
      assert.deepEqual(answer.json, { error: "login_required" });
      assert.equal(answer.headers["cache-control"], "no-store");
    }
    const post = await new Person().request(`${world.wiki}/form`, { method: "POST", body: "a=b", headers: { accept: "text/html", "sec-fetch-mode": "navigate" } });
    assert.equal(post.status, 401);
    assert.deepEqual(world.app.seen, [], "the application was not to hear of it");
  });

  test("bodies reach the application as they were, of every method", async () => {
    const person = await signedIn();
    const text = "ü".repeat(200_000);
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"]) {
      const { status, json } = await person.request(`${world.wiki}/form`, { method, body: text });
      assert.equal(status, 200, method);
      assert.deepEqual([json.method, json.body === text], [method, true]);
    }
  });

  test("the access token works at a resource server and never reaches the browser", async () => {
    const person = await signedIn();
    const { json, headers } = await person.request(`${world.wiki}/`);
    const token = json.headers.authorization.replace(/^Bearer /, "");
    const said = await world.introspect(token);
    assert.deepEqual([said.active, said.client_id, said.aud, said.username], [true, "wiki", "https://api.example.com", "alice"]);
    const { way } = await new Person().open(`${world.wiki}/`, { user: "alice" });
    for (const answer of [{ headers }, ...way.slice(0, -1)]) {
      assert.doesNotMatch(JSON.stringify(answer.headers) + (answer.text ?? ""), /eyJ[\w-]+\.eyJ/);
    }
    assert.equal(headers.authorization, undefined);
    await world.logOutAll("alice");
    assert.deepEqual(await world.introspect(token), { active: false });
  });

  test("the application is not told the cookie of its session, and keeps its own", async () => {
    const person = await signedIn();
    const ours = person.cookies(world.wiki).map(({ name, value }) => `${name}=${value}`);
    const session = ours.find((cookie) => /session-/.test(cookie));
    for (const [sent, told] of [
      [`a=1; ${session}; b=2`, "a=1; b=2"], [`${session}; b=2`, "b=2"], [`a=1; ${session}`, "a=1"], [session, undefined],
      [`__Secure-session-aaaaaaaa=x; a=1; ${session}; b=2`, "a=1; b=2"],
    ]) {
      const { status, json } = await new Person().request(`${world.wiki}/`, { headers: { cookie: sent } });
      assert.equal(status, 200);
      assert.equal(json.headers.cookie, told);
    }
  });

  test("a role is asked for where the location says so", async () => {
    const [alice, bob] = [await signedIn("alice"), await signedIn("bob")];
    assert.equal((await alice.request(`${world.wiki}/admin/users`)).status, 200);
    world.app.seen.length = 0;
    const refused = await bob.request(`${world.wiki}/admin/users`);
    assert.equal(refused.status, 403);
    assert.match(refused.text, /role/);
    assert.deepEqual(world.app.seen, []);
    assert.equal((await bob.request(`${world.wiki}/`)).status, 200);
  });

  test("log out everywhere: the next request is refused within a second, another user's passes", async () => {
    const bob = await signedIn("bob");
    let alice;
    await withinASecond("refused after log out everywhere", async () => {
      alice = await signedIn("alice");
      assert.equal((await alice.request(`${world.wiki}/`)).status, 200);
      await world.logOutAll("alice");
      return refused(alice, world.wiki);
    });
    assert.equal((await bob.request(`${world.wiki}/`)).status, 200);
    const { status } = await alice.open(`${world.wiki}/`, { user: "alice" });
    assert.equal(status, 200);
  });

  test("nobody from outside asks the question, neither at the internal location nor at the server's own", async () => {
    const person = await signedIn();
    const headers = { "x-original-url": `${world.wiki}/`, "x-original-method": "GET" };
    for (const host of [world.wiki, world.issuer]) {
      for (const path of ["/_signet", "/forward-auth?client_id=wiki&token=1", "/forward-auth/client_id=wiki&token=1/", "/%66orward-auth?client_id=wiki", "/session/../forward-auth?client_id=wiki", "//forward-auth?client_id=wiki"]) {
        const answer = await person.request(host, { path, headers });
        assert.deepEqual([answer.status, answer.headers.authorization], [404, undefined], `${host}${path}`);
      }
    }
    assert.deepEqual(world.app.seen, []);
  });
});

describe("a cookie for a domain", () => {
  test("one sign-in lets in at both hosts, and at no other application's", async () => {
    const person = new Person();
    const first = await person.open(`${world.docs}/a`, { user: "alice" });
    assert.deepEqual([first.status, first.json.headers["remote-user"]], [200, "alice"]);
    const second = await person.open(`${world.board}/b`);
    assert.deepEqual([second.status, second.way.length], [200, 1], "no redirect at all");
    const cookie = person.cookies(world.board).find(({ name }) => /session-/.test(name));
    assert.match(cookie.name, /^__Secure-session-[\w-]{8}$/);
    assert.equal(cookie.domain, "example.com");
    assert.equal(second.json.headers.cookie, undefined, "the application is not told it");
    assert.equal((await person.request(`${world.wiki}/`)).status, 401);
    const silent = await person.open(`${world.wiki}/`);
    assert.deepEqual([silent.status, silent.json.headers["remote-user"]], [200, "alice"], "one sign-in for all, nobody asked again");
  });

  test("log out everywhere ends it at both hosts", async () => {
    await withinASecond("refused at both hosts", async () => {
      const person = new Person();
      await person.open(`${world.docs}/`, { user: "bob" });
      for (const host of [world.docs, world.board]) assert.equal((await person.request(`${host}/`)).status, 200);
      await world.logOutAll("bob");
      return (await refused(person, world.docs)) + (await refused(person, world.board));
    });
  });
});

describe("a server that has gone", () => {
  test("lets nobody in and signs nobody out", async () => {
    const person = await signedIn();
    await world.stopServer();
    const answer = await person.request(`${world.wiki}/`, { headers: { accept: "text/html", "sec-fetch-mode": "navigate" } });
    assert.deepEqual([answer.status, answer.headers["retry-after"], answer.headers.location], [503, "2", undefined]);
    assert.deepEqual(world.app.seen, []);
  });
});
