// Certificates for hosts that exist in the test's browser alone, and a browser profile that trusts them.
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const openssl = (dir, ...args) => run("openssl", args, { cwd: dir });

/** A certificate of an authority of our own for these names: `{key, cert}` as PEM. `ca.pem` in the folder is the authority's. */
export async function certificate(dir, names) {
  const make = (name) => openssl(dir, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", `${name}.key`);
  await make("ca");
  await openssl(dir, "req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=Interop test authority", "-days", "2",
    "-addext", "keyUsage=critical,keyCertSign", "-out", "ca.pem");
  await make("sites");
  await openssl(dir, "req", "-new", "-key", "sites.key", "-subj", "/CN=interop sites", "-out", "sites.csr");
  const extensions = [`subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`, "extendedKeyUsage=serverAuth"];
  await writeFile(join(dir, "sites.ext"), extensions.join("\n"));
  await openssl(dir, "x509", "-req", "-in", "sites.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
    "-days", "2", "-extfile", "sites.ext", "-out", "sites.pem");
  const [key, cert] = await Promise.all(["sites.key", "sites.pem"].map((name) => readFile(join(dir, name), "utf8")));
  return { key, cert };
}

/**
 * A home folder whose NSS database trusts these authorities. Chromium on Linux reads it there, so that no check of a
 * certificate has to be turned off, and cookies and storage are those of a sound https site.
 */
export async function trustingHome(home, authorities) {
  const store = join(home, ".pki", "nssdb");
  await mkdir(store, { recursive: true });
  await run("certutil", ["-N", "-d", `sql:${store}`, "--empty-password"]);
  for (const [index, file] of authorities.entries()) {
    await run("certutil", ["-A", "-d", `sql:${store}`, "-t", "C,,", "-n", `authority ${index}`, "-i", file]);
  }
}
