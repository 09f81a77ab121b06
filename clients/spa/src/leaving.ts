/** Leaving the page to sign in, and coming back. */
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
const BOUNCES = 3;

/**
 * Stops a page that signs in by itself, comes back without a session, and signs in again: where the browser does not
 * send the cookie, say, that would go on for ever.
 */
export function guard(env: Environment, name: string) {
  const key = `${name}:bounces`;
  return {
    count(): void {
      const [bounces = 0, last = 0] = (env.sessionStorage.getItem(key) ?? "").split(" ").map(Number);
      const now = env.Date.now();
      const next = now - last < BOUNCE ? bounces + 1 : 1;
      if (next > BOUNCES) {
        env.sessionStorage.removeItem(key);
        throw new SignetError("refused", "sign_in_loop", "Back without a session again: is the cookie blocked?");
      }
      env.sessionStorage.setItem(key, `${next} ${now}`);
    },
    clear(): void {
      env.sessionStorage.removeItem(key);
    },
  };
}
