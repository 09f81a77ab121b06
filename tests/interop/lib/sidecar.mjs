// The sidecar, Debian's nginx in front of an API, and the API: programs of their own on free ports.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./ports.mjs";
import { audience, binary, issuer } from "./server.mjs";
import { until } from "./wait.mjs";

const verify = process.env.INTEROP_VERIFY_BINARY ?? join(dirname(binary), "signet-verify");

/** Runs a program that ends when it is told to. */
export function run(command, args, env = process.env) {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], env });
  let said = "";
  child.stderr.on("data", (chunk) => { said += chunk; });
  const ended = new Promise((resolve) => {
    child.on("error", (fault) => resolve({ fault: String(fault) }));
    child.on("exit", (code, signal) => resolve({ code, signal }));
  });
  return {
    said: () => said,
    ended,
    /** Ends it, and tells how it ended. */
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      return ended;
    },
  };
}

/** An API that repeats what reached it, and counts. */
export async function startApi() {
  const seen = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, headers } = request;
      seen.push(url);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = () => { server.close(); server.closeAllConnections(); };
  return { port: server.address().port, seen, stop };
}

/** The sidecar, once it is ready to judge. */
export async function startSidecar(...args) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const program = run(verify, ["--issuer", issuer, "--audience", audience, "--listen", `127.0.0.1:${port}`, "--json", ...args]);
  await ready("the sidecar", program, async () => (await fetch(`${url}/readyz`)).status === 200);
  return { ...program, port, url };
}

/** Runs the sidecar's program until it ends by itself. */
export async function sidecarFails(...args) {
  const program = run(verify, args);
  const how = await program.ended;
  return { ...how, said: program.said() };
}

/** nginx with the documented recipe, in front of these two. */
export async function startNginx({ sidecar, api }) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  return runNginx("nginx.conf", [
    ["127.0.0.1:9400", `127.0.0.1:${sidecar.port}`],
    ["127.0.0.1:8000", `127.0.0.1:${api.port}`],
    ["127.0.0.1:8080", `127.0.0.1:${port}`],
  ], { url, up: async () => (await fetch(url)).status > 0 });
}

/** nginx with one of the documented recipes, in which what is documented is replaced by what is used, once it is up. */
export async function runNginx(recipe, names, { url, up }) {
  const dir = await mkdtemp(join(tmpdir(), "signet-nginx-"));
  let site = await readFile(fileURLToPath(new URL(`../../../docs/recipes/${recipe}`, import.meta.url)), "utf8");
  for (const [documented, used] of names) {
    if (!site.includes(documented)) throw new Error(`the recipe does not name ${documented}`);
    site = site.replaceAll(documented, used);
  }
  await writeFile(join(dir, "site.conf"), site);
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${dir}/${name};`);
  await writeFile(join(dir, "nginx.conf"), `
    ${process.getuid() === 0 ? "user root;" : ""}
    daemon off;
    worker_processes 1;
    pid ${dir}/nginx.pid;
    error_log stderr warn;
    events { worker_connections 128; }
    http { access_log off; ${scratch.join(" ")} include ${dir}/site.conf; }
  `);
  const program = run("nginx", ["-p", dir, "-e", "stderr", "-c", join(dir, "nginx.conf")]);
  await ready("nginx", program, up);
  return {
    url,
    said: program.said,
    async stop() {
      await program.stop();
      await rm(dir, { recursive: true });
    },
  };
}

/** Waits until a program answers, or tells why it never will. */
export async function ready(name, program, up) {
  const early = program.ended.then((how) => { throw new Error(`${name} ended: ${JSON.stringify(how)}\n${program.said()}`); });
  early.catch(() => {});
  await Promise.race([until(`${name} answers`, up), early]);
}
