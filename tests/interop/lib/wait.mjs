/** Asks until the answer is the one that is waited for. */
export async function until(what, ask, { within = 10_000, every = 20 } = {}) {
  const began = performance.now();
  for (;;) {
    const answer = await Promise.resolve().then(ask).catch(() => null);
    if (answer) return answer;
    if (performance.now() - began > within) throw new Error(`${what}: not within ${within} ms`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
