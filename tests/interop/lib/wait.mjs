/** Asks until the answer is the one that is waited for. The limit is for what will never be: machines stall. */
export async function until(what, ask, { within = 60_000, every = 20 } = {}) {
  const began = performance.now();
  for (;;) {
    const answer = await Promise.resolve().then(ask).catch(() => null);
    if (answer) return answer;
    if (performance.now() - began > within) throw new Error(`${what}: not within ${within} ms`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

/**
 * Holds a promise that something takes less than a second: the best of up to three tries counts, for a machine that
 * stalls spoils one of them and a fault of the program all. `attempt` tells what one try took, in milliseconds.
 */
export async function withinASecond(what, attempt) {
  const took = [];
  do took.push(Math.round(await attempt())); while (took.at(-1) >= 1000 && took.length < 3);
  console.log(`${what}: ${took.join(", ")} ms`);
  if (took.at(-1) >= 1000) throw new Error(`${what}: ${took.join(", ")} ms, and a second is the most`);
}

/** How many milliseconds pass until the answer is the one that is waited for. */
export async function millisecondsUntil(what, ask) {
  const began = performance.now();
  await until(what, ask, { every: 5 });
  return performance.now() - began;
}
