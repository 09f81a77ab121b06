// A relying party's own server on loopback: publishes keys and request objects, and is told of logouts.
import { once } from "node:events";
import { createServer } from "node:http";

/** Starts one; `documents` maps paths to `{ type, body }`, `posts` holds what was sent to it. */
export async function openParty() {
  const documents = new Map();
  const posts = [];
  const waiting = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://party.test");
    if (request.method === "POST") {
      let body = "";
      for await (const chunk of request) body += chunk;
      posts.push({ path: pathname, type: request.headers["content-type"], form: new URLSearchParams(body) });
      for (const wake of waiting.splice(0)) wake();
      response.end();
      return;
    }
    const document = documents.get(pathname);
    if (!document) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": document.type }).end(document.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    origin,
    posts,
    /** Publishes a document; returns its address. */
    publish(path, body, type = "application/json") {
      documents.set(path, { type, body: typeof body === "string" ? body : JSON.stringify(body) });
      return origin + path;
    },
    /** Waits until so many posts have come. */
    async told(count, seconds = 60) {
      const deadline = AbortSignal.timeout(seconds * 1000);
      while (posts.length < count) {
        await Promise.race([
          new Promise((resolve) => waiting.push(resolve)),
          once(deadline, "abort").then(() => { throw new Error(`told ${posts.length} times, not ${count}`); }),
        ]);
      }
      return posts;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
