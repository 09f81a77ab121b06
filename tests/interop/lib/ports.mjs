// Ports for programs of their own, which can only be told a number.
import { once } from "node:events";
import { createServer } from "node:net";

/** Below the ports that systems give to outgoing connections: nobody takes one between the look at it and its use. */
const FIRST = 20_000;
const COUNT = 12_000;
// Processes begin at different places, and none gives a port twice.
let next = (process.pid * 37) % COUNT;

/** A port on which nobody listens. */
export async function freePort() {
  for (let tries = 0; tries < COUNT; tries += 1) {
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    if (await isFree(port)) return port;
  }
  throw new Error("no port is free");
}

async function isFree(port) {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  const listens = await once(server, "listening").then(() => true, () => false);
  if (!listens) return false;
  server.close();
  await once(server, "close");
  return true;
}
