// Small sites of other people, all behind one TLS port: applications that use clients/spa, and hostile ones.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:https";
import { basename } from "node:path";

const library = new URL("../../../clients/spa/dist/", import.meta.url);
const script = new URL("./app.js", import.meta.url);
const escape = (text) => text.replace(/[&<>"]/g, (one) => `&#${one.codePointAt(0)};`);

export async function openSites({ key, cert, listenAt = 0 }) {
  const pages = new Map();
  const applications = new Map();
  const visits = [];

  const send = (response, type, body, headers = {}) => {
    response.writeHead(headers.location ? 303 : 200, { "content-type": type, ...headers }).end(body);
  };

  /** The application: one page, which signs in by itself at `/auto`. */
  function application(response, { host, client, scope }) {
    send(response, "text/html; charset=utf-8", `<!DOCTYPE html><html lang="en"><title>App</title>
      <link rel="icon" href="data:,"><script type="module" src="/app.js"></script>
      <body data-host="${escape(host)}" data-client="${escape(client)}" data-scope="${escape(scope ?? "")}">
      <h1>App</h1><p id="status">Starting</p>
      <button id="sign-in">Sign in</button> <button id="sign-out">Sign out</button>
      <button id="everywhere">Sign out everywhere</button><ol id="changes"></ol></body></html>`, {
      "content-security-policy": `default-src 'none'; script-src 'self'; img-src data:; connect-src 'self' ${host}; base-uri 'none'`,
    });
  }

  const server = createServer({ key, cert }, async (request, response) => {
    const host = request.headers.host.replace(/:\d+$/, "");
    const { pathname } = new URL(request.url, `https://${host}`);
    visits.push({ host, method: request.method, url: request.url });
    const page = pages.get(`${host} ${pathname}`);
    const app = applications.get(host);
    try {
      if (page) send(response, "text/html; charset=utf-8", page.html, page.headers);
      else if (app && pathname === "/app.js") send(response, "text/javascript", await readFile(script));
      else if (app && pathname.startsWith("/spa/")) {
        send(response, "text/javascript", await readFile(new URL(basename(pathname), library)));
      } else if (app) application(response, app);
      else response.writeHead(pathname === "/favicon.ico" ? 204 : 404).end();
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(listenAt, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();

  return {
    port,
    /** Every request: `{host, method, url}`. */
    visits,
    /** Serves an application at a host. */
    application: (host, settings) => applications.set(host, settings),
    /** Serves a page, and says its address. */
    page(host, path, html, headers = {}) {
      pages.set(`${host} ${path}`, { html, headers });
      return `https://${host}:${port}${path}`;
    },
    origin: (host) => `https://${host}:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
