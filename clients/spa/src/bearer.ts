/** `fetch` with the access token, for the origins it is meant for. */
import type { Grant } from "./answer.js";
import { challenge, stepUp, type StepUp } from "./challenge.js";
import type { Environment } from "./environment.js";

/** Where tokens come from. */
interface Source {
  grant(): Promise<Grant>;
  /** Another than the one that was refused; `null` if nobody is signed in any more. */
  next(used: Grant): Promise<Grant | null>;
  stepUp(url: string, asked: StepUp): void;
}

/** Makes the function. `origins` are compared exactly. */
export function bearer(env: Environment, origins: readonly string[], source: Source) {
  return async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const given = input instanceof Request ? input : null;
    // Resolved here, so that the address that is judged is the one that is fetched.
    const url = new URL(given?.url ?? (input as string | URL), env.document.baseURI);
    const headers = new Headers(init?.headers ?? given?.headers);
    if (!origins.includes(url.origin) || headers.has("Authorization")) return env.fetch(input, init);

    const send = (what: Request | URL, { token }: Grant) => {
      headers.set("Authorization", `Bearer ${token}`);
      return env.fetch(new Request(what, { ...init, headers }));
    };
    const used = await source.grant();
    const response = await send(given?.clone() ?? url, used);
    const more = stepUp(response);
    if (more) source.stepUp(url.href, more);
    // RFC 6750 §3.1: of a 401 only. A 403 is about rights, which no other token of this user changes.
    if (challenge(response).error !== "invalid_token") return response;
    const next = await source.next(used).catch(() => undefined);
    // What one user asked for is not done in the name of another, who may have signed in meanwhile. A stream has been read
    // and cannot be sent again.
    if (next?.session.sub !== used.session.sub || init?.body instanceof ReadableStream) return response;
    return send(given ?? url, next);
  };
}
