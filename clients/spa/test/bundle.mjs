// One module of the package's code, as an application's bundler makes it.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** The text of the bundle of a module that imports from the package. */
export async function bundle(contents, options) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL("..", import.meta.url)) },
    bundle: true, format: "esm", target: "es2022", write: false, logLevel: "warning", ...options,
  });
  return outputFiles[0].text;
}
