// What a mode costs a page: the client alone, as esbuild makes it, compressed as servers do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { bundle } from "./bundle.mjs";

// Bytes. What every server compresses best with is the limit; gzip is held as well, so that it does not creep up.
const LIMITS = { cookieClient: { brotli: 4096, gzip: 4096 }, tokenClient: { brotli: 4096, gzip: 4400 } };

for (const [mode, limit] of Object.entries(LIMITS)) {
  test(`${mode} is small`, async (t) => {
    const code = await bundle(`export { ${mode} } from "@signet/spa"`, { minify: true });
    const gzip = gzipSync(code, { level: 9 }).length;
    const brotli = brotliCompressSync(code, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
    t.diagnostic(`${mode}: ${code.length} bytes, gzip ${gzip}, brotli ${brotli}`);
    assert.ok(gzip <= limit.gzip, `gzip: ${gzip} bytes`);
    assert.ok(brotli <= limit.brotli, `brotli: ${brotli} bytes`);
  });
}

test("a mode leaves the other one out", async () => {
  const cookie = await bundle('export { cookieClient } from "@signet/spa"', { minify: true });
  const token = await bundle('export { tokenClient } from "@signet/spa"', { minify: true });
  assert.doesNotMatch(cookie, /code_verifier|revocation_endpoint/);
  assert.doesNotMatch(token, /session\/start|X-Signet-Request/);
});

test("nothing is evaluated from text, and nothing is written into the document", async () => {
  const code = await bundle('export * from "@signet/spa"', { minify: false });
  assert.doesNotMatch(code, /\beval\b|\bFunction\(|innerHTML|outerHTML|document\.write|insertAdjacent|createElement|import\(|localStorage/);
});
