// A proxy between the browser and the server that can do what networks do: lose a reply, be slow, be in between. It also
// sees everything, so that "no response holds a refresh token" is a search in all of them.
import { once } from "node:events";
import { createServer, request as ask } from "node:https";

const read = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
};

/** Opens the proxy in front of the server at `port`, which is asked by the name that the browser used. */
export async function openGate({ key, cert, port, ca }) {
  const seen = [];
  let rules = [];
  const forward = (request, body) => new Promise((resolve, reject) => {
    const servername = request.headers.host.replace(/:\d+$/, "");
    const outgoing = ask({
      host: "127.0.0.1", port, ca, servername, method: request.method, path: request.url, headers: request.headers,
    }, resolve);
    outgoing.on("error", reject);
    outgoing.end(body);
  });

  async function handle(request, response) {
    const body = await read(request);
    const { pathname } = new URL(request.url, "https://gate.test");
    const entry = {
      method: request.method, host: request.headers.host, url: request.url, path: pathname,
      headers: request.headers, sent: body.toString(), status: null, answer: null, body: null,
    };
    seen.push(entry);
    /** Asks the server and keeps the reply here. */
    let reply;
    const commit = async () => {
      if (reply) return;
      reply = await forward(request, body);
      entry.status = reply.statusCode;
      entry.answer = reply.headers;
      if (!/event-stream/.test(reply.headers["content-type"] ?? "")) entry.body = await read(reply);
    };
    const exchange = {
      entry,
      commit,
      /** Gives the browser the server's reply. */
      async pass() {
        await commit();
        response.writeHead(reply.statusCode, reply.rawHeaders);
        if (entry.body) response.end(entry.body);
        else reply.pipe(response);
      },
      /** Asks the server, and loses its reply on the way. */
      async lose() {
        await commit();
        request.socket.destroy();
      },
      /** Answers instead of the server. */
      answer(status, headers = {}, text = "") {
        entry.status = status;
        response.writeHead(status, headers).end(text);
      },
    };
    // A preflight is not what a rule waits for.
    const rule = request.method === "OPTIONS" ? null : rules.find(({ path }) => path === pathname);
    if (!rule) return exchange.pass();
    rule.left -= 1;
    if (rule.left <= 0) rules = rules.filter((other) => other !== rule);
    return rule.act(exchange);
  }

  const server = createServer({ key, cert }, (request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    /** Every exchange so far: `{method, host, path, url, headers, sent, status, answer, body}`. */
    seen,
    /** Exchanges with this path. */
    at: (path) => seen.filter((entry) => entry.path === path),
    /** What to do with the next requests (one, unless told otherwise) for a path instead of passing them on. */
    next(path, act, times = 1) {
      rules.push({ path, act, left: times });
    },
    /** Forgets rules and what was seen. */
    reset() {
      rules = [];
      seen.length = 0;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
