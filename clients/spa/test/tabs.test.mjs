// Several tabs of one browser: one refresh for all where it can be had, and nobody signed out where it cannot.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SignetError } from "@signet/spa";
import { CookieServer, json, signedIn, Tab, World } from "./support.mjs";

/** Ten tabs of one signed-in browser. */
async function ten(options = {}, count = 10) {
  const world = new World();
  const server = new CookieServer(world);
  server.signIn();
  const tabs = Array.from({ length: count }, () => new Tab(world, server, options));
  const clients = tabs.map((tab) => tab.cookie());
  const sessions = await world.until(Promise.all(clients.map((client) => client.ready())));
  return { world, server, tabs, clients, sessions };
}

const everywhere = (clients, world) => world.until(Promise.all(clients.map((client) => client.getAccessToken())));
const nobodyOut = ({ server, tabs }) => {
  assert.ok(tabs.every(({ seen }) => !seen.includes("signed-out")));
  assert.ok(!server.family.ended);
};

describe("ten tabs", () => {
  test("that are restored at once ask once", async () => {
    const all = await ten();
    assert.ok(all.sessions.every(({ sub }) => sub === "alice"));
    assert.equal(all.server.count("/refresh"), 1);
    assert.deepEqual([...new Set(await everywhere(all.clients, all.world))], ["at1"]);
    assert.ok(all.tabs.every(({ seen }) => seen.join() === "signed-in"));
  });

  test("that renew at the same moment ask once, all day long", async () => {
    const all = await ten();
    for (let round = 2; round < 20; round += 1) {
      await all.world.pass(540_000);
      assert.equal(all.server.count("/refresh"), round);
      assert.equal(new Set(await everywhere(all.clients, all.world)).size, 1);
    }
    nobodyOut(all);
  });

  test("wake after a night and ask once", async () => {
    const all = await ten();
    for (const tab of all.tabs) tab.show("hidden");
    all.world.sleepMachine(8 * 3_600_000);
    for (const tab of all.tabs) tab.show("visible");
    await all.world.pass(5_000);
    assert.equal(all.server.count("/refresh"), 2);
    nobodyOut(all);
  });

  for (const [name, options] of [
    ["without locks", { locks: false }], ["without a channel", { channel: false }], ["with neither", { locks: false, channel: false }],
  ]) {
    test(`${name} are all signed in and stay so`, async () => {
      const all = await ten(options);
      assert.ok(all.sessions.every(({ sub }) => sub === "alice"));
      for (let round = 0; round < 5; round += 1) {
        await all.world.pass(540_000);
        await everywhere(all.clients, all.world);
      }
      nobodyOut(all);
    });
  }

  test("of which one finds its token refused ask once for all", async () => {
    const { world, server, clients } = await ten();
    await world.until(Promise.all(clients.map((client) => client.getAccessToken({ refresh: true }))));
    assert.equal(server.count("/refresh"), 2);
  });

  test("keep their session in a storm, and ask once when it is over", async () => {
    const all = await ten();
    all.server.faults = Array.from({ length: 60 }, () => json(503, {}));
    await all.world.pass(20 * 60_000);
    nobodyOut(all);
    assert.ok(all.clients.every(({ session }) => session.sub === "alice"));
    assert.ok(all.server.asked.length < 120, String(all.server.asked.length));
    all.server.faults = [];
    const before = all.server.asked.length;
    await all.world.pass(120_000);
    assert.ok(all.server.asked.length - before <= 2, String(all.server.asked.length - before));
    assert.equal(new Set(await everywhere(all.clients, all.world)).size, 1);
  });

  test("are signed out together, each with one event", async () => {
    const { world, server, tabs, clients } = await ten();
    server.family.ended = true;
    await assert.rejects(world.until(clients[3].getAccessToken({ refresh: true })), SignetError);
    await world.pass(1_000);
    assert.ok(clients.every(({ session }) => session === null));
    for (const { seen, changes } of tabs) assert.deepEqual([seen, changes[1].reason], [["signed-in", "signed-out"], "login_required"]);
    assert.equal(tabs.filter(({ changes }) => !changes[1].elsewhere).length, 1);
    assert.equal(server.count("/refresh"), 3);
  });

  test("hear of a logout, and of the next sign-in", async () => {
    const { world, server, tabs, clients } = await ten();
    await world.until(clients[0].logout());
    await world.pass(1_000);
    assert.ok(clients.every(({ session }) => session === null));
    assert.ok(tabs.every(({ seen }) => seen.join() === "signed-in,signed-out"));
    server.signIn();
    const next = new Tab(world, server).cookie();
    await world.until(next.ready());
    await world.pass(100);
    assert.ok(clients.every(({ session }) => session?.sub === "alice"));
    assert.equal(server.asked.length, 3);
  });
});

describe("the lock", () => {
  test("of a tab that dies is taken over", async () => {
    const { world, server, tabs: [first, second], clients } = await ten({}, 2);
    server.faults = [() => new Promise(() => undefined)];
    void clients[0].getAccessToken({ refresh: true });
    await world.pass(100);
    const waiting = clients[1].getAccessToken({ refresh: true });
    await world.pass(1_000);
    assert.equal(server.count("/refresh"), 2);
    first.die();
    assert.equal(await world.until(waiting), "at2");
    assert.deepEqual(second.seen, ["signed-in", "refreshed"]);
  });

  test("of a tab that hangs is waited for ten seconds, and no longer", async () => {
    const { world, clients } = await ten({}, 2);
    void world.request("signet-refresh:https://auth.example.comshop", { signal: new AbortController().signal }, () => new Promise(() => undefined), null);
    await world.pass(10);
    const began = world.mono;
    assert.equal(await world.until(clients[0].getAccessToken({ refresh: true })), "at2");
    assert.ok(world.mono - began >= 10_000 && world.mono - began < 10_500);
  });

  test("that is granted before the announcement arrives does not cost a request", async () => {
    const all = await ten({}, 3);
    all.world.channelLatency = 30;
    await all.world.until(Promise.all(all.clients.map((client) => client.getAccessToken({ refresh: true }))));
    assert.equal(all.server.count("/refresh"), 2);
  });

  test("that this page may not have is done without", async () => {
    const { world, server, tab, client } = await signedIn();
    tab.environment.navigator.locks.request = async () => { throw new DOMException("no", "SecurityError"); };
    assert.equal(await world.until(client.getAccessToken({ refresh: true })), "at2");
    assert.equal(server.count("/refresh"), 2);
  });
});

describe("an answer that is lost", () => {
  test("while ten tabs ask ends in one token, and nobody is out", async () => {
    const all = await ten();
    all.server.faults = ["lost", "lost"];
    await all.world.pass(550_000);
    await all.world.pass(20_000);
    assert.equal(new Set(await everywhere(all.clients, all.world)).size, 1);
    nobodyOut(all);
  });

  test("without locks and channel neither", async () => {
    const all = await ten({ locks: false, channel: false });
    all.server.faults = ["lost", undefined, "lost", "down"];
    await all.world.pass(550_000);
    await all.world.pass(20_000);
    await everywhere(all.clients, all.world);
    nobodyOut(all);
  });
});

describe("a race", () => {
  test("a login_required while another tab's refresh succeeds does not sign out", async () => {
    const { world, server, tabs, clients } = await ten({ locks: false }, 2);
    server.faults = [async () => {
      await world.wait(40);
      return json(401, { error: "login_required" });
    }];
    const losing = clients[0].getAccessToken({ refresh: true });
    await world.pass(1);
    const winning = clients[1].getAccessToken({ refresh: true });
    assert.equal(await world.until(losing), await world.until(winning));
    assert.ok(tabs.every(({ seen }) => !seen.includes("signed-out")));
    assert.equal(server.count("/refresh"), 4);
  });

  test("a sign-out in another tab while this one waits for the lock ends the waiting", async () => {
    const { world, server, tabs, clients } = await ten({}, 2);
    server.faults = [() => new Promise((resolve) => { world.setTimeout(() => resolve(json(503, {})), 3_000); })];
    void clients[0].getAccessToken({ refresh: true }).catch(() => undefined);
    await world.pass(100);
    const waiting = clients[1].getAccessToken({ refresh: true });
    waiting.catch(() => undefined);
    await world.pass(100);
    await world.until(clients[0].logout());
    await assert.rejects(world.until(waiting), (error) => error.kind === "signed-out");
    assert.equal(server.count("/refresh"), 2);
    assert.deepEqual(tabs[1].seen, ["signed-in", "signed-out"]);
  });

  test("a page that finds nobody signed in does not sign out the others", async () => {
    const { world, server, tabs } = await ten({}, 1);
    server.faults = [json(401, { error: "login_required" })];
    const late = new Tab(world, server);
    assert.equal(await world.until(late.cookie().ready()), null);
    await world.pass(1_000);
    assert.deepEqual(tabs[0].seen, ["signed-in"]);
  });

  test("a token that was announced before the sign-out and arrives after it brings nobody back", async () => {
    const { world, clients } = await ten({}, 3);
    await world.pass(1_000);
    world.channelLatency = 5_000;
    await world.until(clients[0].getAccessToken({ refresh: true }));
    world.channelLatency = 1;
    await world.until(clients[1].logout());
    await world.pass(60_000);
    assert.ok(clients.every(({ session }) => session === null));
  });

  test("an older token that arrives late does not displace a newer one", async () => {
    const { world, clients } = await ten({}, 2);
    await world.pass(1_000);
    world.channelLatency = 5_000;
    await world.until(clients[0].getAccessToken({ refresh: true }));
    await world.pass(50);
    world.channelLatency = 1;
    assert.equal(await world.until(clients[1].getAccessToken({ refresh: true })), "at3");
    await world.pass(60_000);
    assert.equal(await clients[1].getAccessToken(), "at3");
  });
});

test("a page of the origin that wants another scope does not get this token", async () => {
  const { world, server, client: first } = await signedIn({}, { scope: "read" });
  const other = new Tab(world, server);
  const client = other.cookie({ scope: "write" });
  await world.until(client.ready());
  assert.equal(server.count("/refresh"), 2);
  await world.until(first.getAccessToken({ refresh: true }));
  await world.pass(100);
  assert.equal(await client.getAccessToken(), "at2");
  assert.deepEqual(other.seen, ["signed-in"]);
});

test("no message holds a refresh token", async () => {
  const heard = [];
  const world = new World();
  const server = new CookieServer(world);
  server.signIn();
  const grant = server.grant.bind(server);
  server.grant = (more) => grant({ ...more, refresh_token: "never" });
  const tab = new Tab(world, server);
  const channel = new tab.environment.BroadcastChannel("signet-refresh:https://auth.example.comshop");
  channel.onmessage = ({ data }) => heard.push(data);
  channel.tab = { alive: true };
  await world.until(new Tab(world, server).cookie().ready());
  await world.pass(10);
  assert.equal(heard.length, 1);
  assert.doesNotMatch(JSON.stringify(heard), /never/);
});
