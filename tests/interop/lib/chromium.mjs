// Debian's Chromium, driven by playwright-core.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

/** The build without a window is the same engine, and costs half the time where it is installed. */
const PROGRAMS = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

/** Starts it. `home`: the folder whose NSS database it trusts. */
export function launch({ args = [], home, ...more } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || PROGRAMS.find((program) => existsSync(program)),
    args: [...QUIET, ...args],
    ...(home && { env: { ...process.env, HOME: home } }),
    ...more,
  });
}
