/** Leaving the page to sign in, and coming back. */
import type { Session } from "./answer.js";
import type { SignIn } from "./core.js";
import type { Environment } from "./environment.js";
import { SignetError } from "./error.js";

/** The parameters that have a value. */
export function form(fields: Record<string, string | number | undefined>): URLSearchParams {
  return new URLSearchParams(JSON.parse(JSON.stringify(fields)) as Record<string, string>);
}

/** An address with parameters, and what a sign-in may ask for (OIDC Core §3.1.2.1). */
export function withQuery(base: string, { prompt, loginHint, maxAge, acrValues }: SignIn, fields: Record<string, string | undefined>): string {
  const query = form({ ...fields, prompt, login_hint: loginHint, max_age: maxAge, acr_values: acrValues });
  // RFC 6749 §3.1: an endpoint may have a query of its own.
  return `${base}${base.includes("?") ? "&" : "?"}${query}`;
}

/** The error in the page's address, which it is removed from: a reload must not see it again. */
export function takeError(env: Environment): SignetError | null {
  const url = new URL(env.location.href);
  const query = url.searchParams;
  const error = query.get("error");
  if (error === null) return null;
  const description = query.get("error_description") ?? undefined;
  query.delete("error");
  query.delete("error_description");
  goTo(env, url.href);
  return new SignetError(error === "login_required" ? "signed-out" : "refused", error, description);
}

/** Another address for the page, without loading it or touching what its router remembers. */
export function goTo(env: Environment, url: string): void {
  env.history.replaceState(env.history.state, "", url);
}

/** Milliseconds: who comes back sooner was not asked anything. */
const BOUNCE = 5_000;
/** Milliseconds after which a session that was asked to prove more, and did not, counts as used and not as bounced. */
const STABLE = 60_000;
const BOUNCES = 3;

/**
 * Stops a page that signs in by itself, comes back as it was, and signs in again: where the browser does not send the
 * cookie, say, or where an API is never content with the step-up, that would go on for ever.
 */
export function guard(env: Environment, name: string) {
  const key = `${name}:loops`;
  const read = () => JSON.parse(env.sessionStorage.getItem(key) ?? "[0,0]") as [bounces: number, last: number, proof?: string];
  return {
    /** The page leaves. `from`: the session that a step-up is to improve. */
    count(from: Session | null): void {
      const [bounces, last, before] = read();
      const now = env.Date.now();
      const proof = from && `${from.auth_time} ${from.acr}`;
      const next = now - last < (proof && proof === before ? STABLE : BOUNCE) ? bounces + 1 : 1;
      if (next > BOUNCES) {
        env.sessionStorage.removeItem(key);
        throw new SignetError("refused", "sign_in_loop", "Back and nothing has changed: is the cookie blocked, or does an API ask for too much?");
      }
      env.sessionStorage.setItem(key, JSON.stringify([next, now, proof]));
    },
    /** A session came. Of a step-up that says nothing: there was one before. */
    arrived(): void {
      if (!read()[2]) env.sessionStorage.removeItem(key);
    },
  };
}
