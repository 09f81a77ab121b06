/** Cookie mode: the refresh token is in a cookie that no script can read, and the host redeems it. */
import { ask, grantOf, type Json } from "./answer.js";
import { client, exactOrigin, type Client, type SignIn } from "./core.js";
import { BROWSER, type Environment } from "./environment.js";
import { SignetError } from "./error.js";
import { guard, takeError, withQuery } from "./leaving.js";

/** What a client in cookie mode is made of. */
export interface CookieOptions {
  readonly clientId: string;
  /** The origin of the authorization server for this site, such as `https://auth.example.com`. Default: the page's own. */
  readonly host?: string;
  /** Space-separated; default: what the client is registered for. */
  readonly scope?: string;
  /** The API that the token is for (RFC 8707). */
  readonly resource?: string;
  /** The origins that `fetch` sends the token to. */
  readonly apis?: readonly string[];
  /** Where `signIn` leads back to: one of the client's `return_uris`. Default: this page without query and fragment. */
  readonly returnTo?: string;
  readonly environment?: Environment;
}

/** A client whose session lives in a cookie of `host`. */
export function cookieClient(options: CookieOptions): Client {
  const env = options.environment ?? BROWSER;
  const { clientId, scope, resource } = options;
  const host = exactOrigin(options.host ?? new URL(env.location.href).origin);
  const name = `signet-refresh:${host}${clientId}`;
  const loops = guard(env, name);
  let returned: SignetError | null = null;

  const post = (path: string, body: Json) =>
    ask(env, host + path, {
      method: "POST",
      credentials: "include",
      headers: { "Content-Type": "application/json", "X-Signet-Request": "1" },
      body: JSON.stringify({ client_id: clientId, ...body }),
    });

  const made: Client = client(
    {
      name,
      want: `${scope ?? ""} ${resource ?? ""}`,
      shared: true,
      begin: async () => {
        returned = takeError(env);
        return null;
      },
      renew: async (known) => grantOf(await post("/refresh", { scope, resource }), known),
      keep: async () => undefined,
      doubts: async (held) => held,
      forget: async () => undefined,
      end: async (everywhere) => void (await post(`/session/logout${everywhere ? "_all" : ""}`, {})),
      error: () => returned,
      leave: async (asked: SignIn) => {
        loops.count(made.session);
        const here = new URL(env.location.href);
        const back = asked.returnTo ?? options.returnTo ?? here.origin + here.pathname;
        env.location.assign(
          withQuery(`${host}/session/start`, asked, { client_id: clientId, return_to: back, scope, resource }),
        );
      },
    },
    options.apis,
    env,
  );
  made.onChange(({ type }) => {
    if (type === "signed-in") loops.arrived();
  });
  return made;
}
