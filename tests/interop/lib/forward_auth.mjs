// A Signet of its own behind Debian's nginx with certificates, the applications behind that, and people with a cookie jar
// that goes by the rules of browsers for names, hosts and domains.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { hiddenFields } from "./browser.mjs";
import { freePort } from "./ports.mjs";
import { basic, binary } from "./server.mjs";
import { ready, run, runNginx, startApi } from "./sidecar.mjs";

const exec = promisify(execFile);
const audience = "https://api.example.com";
const passwords = { alice: "a long walk along the river", bob: "seven blue umbrellas at noon" };

/** Everything: issuer and wiki behind one nginx, an application with two hosts and one cookie behind another. */
export async function startWorld() {
  const dir = await mkdtemp(join(tmpdir(), "signet-forward-auth-"));
  const [signet, admin, port, sharedPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const names = {
    issuer: `https://login.example.com:${port}`,
    wiki: `https://wiki.example.com:${port}`,
    docs: `https://docs.example.com:${sharedPort}`,
    board: `https://board.example.com:${sharedPort}`,
  };
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SIGNET_"))),
    SIGNET_PUBLIC_URL: names.issuer,
    SIGNET_LISTEN: `127.0.0.1:${signet}`,
    SIGNET_ADMIN_LISTEN: `127.0.0.1:${admin}`,
    SIGNET_DATABASE__URL: `sqlite://${dir}/signet.sqlite`,
    SIGNET_KEYS__DIR: dir,
    SIGNET_HTTP__TRUSTED_PROXIES: "127.0.0.1/32",
    SIGNET_HTTP__SHUTDOWN_SECONDS: "0",
    SIGNET_BROWSER__HOSTS: names.wiki,
    SIGNET_BROWSER__COOKIE_DOMAINS: "example.com",
  };
  const command = async (...args) => (await exec(binary, args, { env, cwd: dir })).stdout;
  const server = run(binary, ["serve"], { ...env });
  await ready("the server", server, async () => (await fetch(`http://127.0.0.1:${admin}/readyz`)).status === 200);
  for (const [name, password] of Object.entries(passwords)) {
    const creating = exec(binary, ["user", "create", "--username", name, "--email", `${name}@example.com`, "--name", `${name} Ünger`,
      ...(name === "alice" ? ["--role", "admin"] : []), "--password-stdin"], { env, cwd: dir });
    creating.child.stdin.end(`${password}\n`);
    await creating;
  }
  const scope = "openid profile email read";
  await command("client", "create", "--id", "wiki", "--name", "Wiki", "--forward-auth", "--origin", names.wiki, "--scope", scope, "--audience", audience);
  await command("client", "create", "--id", "suite", "--name", "Suite", "--forward-auth", "--origin", names.docs, "--origin", names.board);
  const api = JSON.parse(await command("client", "create", "--id", "api", "--introspect", "--audience", audience, "--scope", "read", "--json"));

  const app = await startApi();
  const [pem, key] = [join(dir, "cert.pem"), join(dir, "cert.key")];
  await exec("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-subj", "/CN=example.com", "-keyout", key, "-out", pem]);
  const recipe = (own, rest) => [
    ["127.0.0.1:8080", `127.0.0.1:${signet}`],
    ["127.0.0.1:8000", `127.0.0.1:${app.port}`],
    ["listen 443 ssl", `listen 127.0.0.1:${own} ssl`],
    ...["wiki", "login"].flatMap((name) => [[`/etc/ssl/${name}.example.com.pem`, pem], [`/etc/ssl/${name}.example.com.key`, key]]),
    ...rest,
  ];
  const start = (own, rest) => runNginx("forward-auth-nginx.conf", recipe(own, rest), {
    up: async () => (await new Person().request(`https://login.example.com:${own}/healthz`)).status === 200,
  });
  const nginx = await start(port, []);
  const shared = await start(sharedPort, [
    ["server_name wiki.example.com", "server_name docs.example.com board.example.com"],
    ["client_id=wiki", "client_id=suite"],
  ]);
  return {
    ...names,
    app,
    command,
    /** What a resource server hears of a token. */
    async introspect(token) {
      const response = await fetch(`http://127.0.0.1:${signet}/introspect`, {
        method: "POST", body: new URLSearchParams({ token }), headers: basic("api", api.client_secret),
      });
      return response.json();
    },
    logOutAll: (name) => command("user", "logout-all", name),
    /** The server alone goes away. */
    stopServer: () => server.stop("SIGKILL"),
    async stop() {
      await nginx.stop();
      await shared.stop();
      await server.stop();
      app.stop();
      await rm(dir, { recursive: true });
    },
  };
}

/** A browser: a jar of cookies, and every name at this machine. */
export class Person {
  #cookies = [];

  /** Whether a cookie is sent to a host (RFC 6265). */
  #sent(cookie, host) {
    return cookie.host === host || (cookie.domain && (host === cookie.domain || host.endsWith(`.${cookie.domain}`)));
  }

  cookies(url) {
    const { hostname } = new URL(url);
    return this.#cookies.filter((cookie) => this.#sent(cookie, hostname));
  }

  #keep(line, host) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
    const domain = /;\s*domain=([^;]+)/i.exec(line)?.[1];
    const secure = /;\s*secure(;|$)/i.test(line);
    if (!/;\s*httponly(;|$)/i.test(line) || !secure) throw new Error(`a cookie that script could read: ${line}`);
    // What browsers refuse to take.
    if (name.startsWith("__Host-") && (domain || !/;\s*path=\/(;|$)/i.test(line))) throw new Error(`refused: ${line}`);
    if (domain && !this.#sent({ domain }, host)) throw new Error(`another's domain: ${line}`);
    this.#cookies = this.#cookies.filter((cookie) => cookie.name !== name || cookie.host !== (domain ? undefined : host) || cookie.domain !== domain);
    if (!/;\s*max-age=0(;|$)/i.test(line)) this.#cookies.push({ name, value, host: domain ? undefined : host, domain });
  }

  /** One request, for a path as it stands where one is given. Redirects are the caller's business. */
  request(url, { method = "GET", path, headers = {}, body } = {}) {
    const { hostname, host, port, pathname, search } = new URL(url);
    const cookie = this.cookies(url).map(({ name, value }) => `${name}=${value}`).join("; ");
    return new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port, servername: hostname, rejectUnauthorized: false, agent: false, method, path: path ?? pathname + search };
      const outgoing = request({ ...options, headers: { host, ...(cookie && { cookie }), ...(body && { "content-length": Buffer.byteLength(body) }), ...headers } }, (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          for (const line of response.headers["set-cookie"] ?? []) this.#keep(line, hostname);
          const json = text.startsWith("{") ? JSON.parse(text) : null;
          resolve({ status: response.statusCode, headers: response.headers, text, json, url });
        });
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  /** Opens a page as a person does: follows redirects, and signs in where asked; also tells where that led. */
  async open(url, { user } = {}) {
    const way = [];
    let answer = await this.#navigate(url);
    for (let step = 0; step < 12; step += 1) {
      way.push(answer);
      const location = answer.headers.location;
      if (location) {
        answer = await this.#navigate(new URL(location, answer.url).href);
        continue;
      }
      if (!/<form id="login-form"/.test(answer.text)) return { ...answer, way };
      if (!user) throw new Error("nobody was to be asked for a password");
      const body = new URLSearchParams({ ...hiddenFields(answer.text), username: user, password: passwords[user], action: "login" });
      const { origin } = new URL(answer.url);
      answer = await this.request(`${origin}/login`, {
        method: "POST", body: body.toString(), headers: { origin, "content-type": "application/x-www-form-urlencoded" },
      });
    }
    throw new Error(`redirects without end: ${way.map((one) => one.headers.location).join(" ")}`);
  }

  #navigate(url) {
    return this.request(url, { headers: { accept: "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" } });
  }
}
