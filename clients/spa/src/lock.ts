/** One refresh at a time in the whole browser, where it has Web Locks. */
import type { Environment } from "./environment.js";
import { patiently } from "./patience.js";

/** A lock that took longer, in milliseconds, was held by another tab. */
const UNCONTENDED = 20;

/**
 * Runs when the lock is granted, or without it: the server sorts out refreshes at the same time, the lock only saves
 * requests. `waited`: another tab was at it, and its announcement may be on the way.
 */
export async function locked<T>(env: Environment, name: string, run: (waited: boolean) => Promise<T>): Promise<T> {
  const asked = env.performance.now();
  let running: Promise<T> | undefined;
  const go = () => (running ??= run(env.performance.now() - asked > UNCONTENDED));
  // It fails where the holder hangs or this page may not lock, or as `running` does, which is returned anyway.
  await patiently(env, async (signal) => env.navigator.locks?.request(name, { signal }, go)).catch(() => undefined);
  return go();
}
