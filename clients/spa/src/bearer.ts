/** `fetch` with the access token, for the origins it is meant for. */
import { challenge, stepUp, type StepUp } from "./challenge.js";
import type { Environment } from "./environment.js";

/** Where tokens come from. */
interface Source {
  token(): Promise<string>;
  /** A token other than the one that was refused. */
  next(used: string): Promise<string>;
  stepUp(url: string, asked: StepUp): void;
}

/** Makes the function. `origins` are compared exactly. */
export function bearer(env: Environment, origins: readonly string[], source: Source) {
  return async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const given = input instanceof Request ? input : null;
    // Resolved here, so that the address that is judged is the one that is fetched.
    const url = new URL(given?.url ?? String(input), env.document.baseURI);
    const headers = new Headers(init?.headers ?? given?.headers);
    if (!origins.includes(url.origin) || headers.has("Authorization")) return env.fetch(input, init);

    const send = (what: Request | URL, token: string) => {
      headers.set("Authorization", `Bearer ${token}`);
      return env.fetch(new Request(what, { ...init, headers }));
    };
    const used = await source.token();
    const response = await send(given?.clone() ?? url, used);
    const more = stepUp(response);
    if (more) source.stepUp(url.href, more);
    // RFC 6750 §3.1: of a 401 only. A 403 is about rights, which no other token of this user changes.
    if (challenge(response).error !== "invalid_token") return response;
    const next = await source.next(used).catch(() => null);
    // A stream has been read and cannot be sent again.
    return next === null || init?.body instanceof ReadableStream ? response : send(given ?? url, next);
  };
}
