// Writes the client into the demo as one readable file; scripts/test-clients fails if that makes a difference.
import { bundle } from "./bundle.mjs";
import { writeFile } from "node:fs/promises";

const place = new URL("../../../src/http/pages/demo/signet-spa.js", import.meta.url);
const banner = "// @signet/spa, of clients/spa/src. Made by `npm run demo` there; do not edit.\n";
await writeFile(place, banner + (await bundle("export { cookieClient, tokenClient } from '@signet/spa'", { minify: false })));
