// Writes the client as one readable file: into the demo, or to the path that is given, from the folder of the repository.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "./bundle.mjs";

const root = new URL("../../../", import.meta.url);
const place = fileURLToPath(new URL(process.argv[2] ?? "src/http/pages/demo/signet-spa.js", root));
const banner = "// @signet/spa, made of clients/spa/src by `npm run demo` there; do not edit.\n";
await mkdir(dirname(place), { recursive: true });
await writeFile(place, banner + (await bundle('export { cookieClient, tokenClient } from "@signet/spa"', { minify: false })));
