/** How long the client waits for somebody else: for the server, or for another tab that asks it. */
import type { Environment } from "./environment.js";

/** Milliseconds. */
const PATIENCE = 10_000;

/** Runs with a signal that fires when it has taken too long. */
export async function patiently<T>(env: Environment, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const timer = env.setTimeout(() => abort.abort(), PATIENCE);
  try {
    return await run(abort.signal);
  } finally {
    env.clearTimeout(timer);
  }
}
