/** The only place that reads clocks and draws randomness; tests put their own in its place. */
import type { Instant } from "./feed/follower.js";

/** Time and chance. */
export interface Clock {
  /** Both clocks, in milliseconds. */
  now(): Instant;
  /** Resolves after some milliseconds, or at once when the signal fires. It must not keep the process alive. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** A number from 0 to 1 that spreads out those who would otherwise act together. */
  random(): number;
}

/** The clocks of the machine. */
export const SYSTEM_CLOCK: Clock = {
  now: () => ({ wall: Date.now(), mono: performance.now() }),
  sleep: (milliseconds, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      // Deno and browsers have numbers for timers.
      const timer: NodeJS.Timeout | number = setTimeout(done, milliseconds);
      if (typeof timer === "object") timer.unref();
      signal.addEventListener("abort", done);
    }),
  random: Math.random,
};
