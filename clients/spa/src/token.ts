/** Token mode: authorization code with PKCE; the page itself holds the tokens, in memory. */
import { ask, claimsOf, grantOf, type Grant, type Json, type Session } from "./answer.js";
import { client, type Client, type SignIn } from "./core.js";
import { BROWSER, type Environment } from "./environment.js";
import { SignetError } from "./error.js";
import { form, goTo, withQuery } from "./leaving.js";

/** What outlives an access token. */
export interface Stored {
  readonly refresh: string;
  readonly session: Session;
  /** The last ID token, for whoever checks its signature or needs it as a hint. */
  readonly idToken?: string | undefined;
}

/**
 * Where the refresh token is kept if not in this tab's memory. Whoever can read the store can use the token. All tabs
 * are taken to share it.
 */
export interface Store {
  get(): Stored | null | undefined | Promise<Stored | null | undefined>;
  set(stored: Stored): void | Promise<void>;
  remove(): void | Promise<void>;
}

/** What a client in token mode is made of. */
export interface TokenOptions {
  /** Exactly as the server spells it. */
  readonly issuer: string;
  readonly clientId: string;
  /** A page of this origin, registered, which calls `ready()`. */
  readonly redirectUri: string;
  /** Space-separated, with `openid`, which is the default. */
  readonly scope?: string;
  /** The API that the token is for (RFC 8707). */
  readonly resource?: string;
  /** The origins that `fetch` sends the token to. */
  readonly apis?: readonly string[];
  readonly store?: Store;
  readonly environment?: Environment;
}

interface Metadata {
  readonly issuer: string;
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
  readonly revocation_endpoint?: string;
}

/** What has to be remembered while the user is at the server. */
interface Transaction {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly back: string;
}

/** Seconds by which the clocks of a device and the server may differ. */
const LEEWAY = 300;

/** A client that holds its tokens itself. */
export function tokenClient(options: TokenOptions): Client {
  const env = options.environment ?? BROWSER;
  const { issuer, clientId, redirectUri, resource, scope = "openid" } = options;
  const name = `signet-refresh:${issuer}${clientId}`;
  const base = issuer.replace(/\/$/, "");
  const store = options.store ?? memory();
  let returned: SignetError | null = null;
  let sent: string | undefined;
  let metadata: Metadata | undefined;

  /** 244 random bits in the alphabet of RFC 7636 §4.1. */
  const random = () => env.crypto.randomUUID() + env.crypto.randomUUID();

  /** RFC 8414 §3, kept for the life of the page. */
  const discover = async (): Promise<Metadata> => {
    metadata ??= (await ask(env, `${base}/.well-known/openid-configuration`)) as unknown as Metadata;
    // RFC 8414 §3.3: a document that names another issuer is not this one's.
    if (metadata.issuer !== issuer) throw refused("wrong_issuer");
    return metadata;
  };

  const post = (url: string, fields: Record<string, string | undefined>) =>
    ask(env, url, { method: "POST", body: form({ ...fields, client_id: clientId }) });

  const token = async (fields: Record<string, string>) => post((await discover()).token_endpoint, { ...fields, resource });

  /** OIDC Core §3.1.3.7. The signature is left to TLS (6): the token comes straight from the token endpoint. */
  const checkId = (answer: Json, holds: (claims: Json) => boolean) => {
    const { iss, aud, exp, ...claims } = claimsOf(answer["id_token"]) ?? {};
    const lives = Number(exp) + LEEWAY > env.Date.now() / 1000;
    // For this client and for nobody else (3, 4, 5).
    if (iss !== issuer || [aud].flat().join() !== clientId || !lives || !holds(claims)) throw refused("bad_id_token");
  };

  /** Turns the answer in the page's address into tokens (RFC 6749 §4.1.2, RFC 9207). */
  const finish = async (): Promise<Grant | null> => {
    const { href } = env.location;
    const query = new URL(href).searchParams;
    const [state, code, error] = [query.get("state"), query.get("code"), query.get("error")];
    if (!href.startsWith(redirectUri) || !state || !(code ?? error)) return null;
    const transaction = JSON.parse(env.sessionStorage.getItem(name) ?? "{}") as Partial<Transaction>;
    // One answer for one question. The code must not stay in the address or the history, whatever becomes of it.
    env.sessionStorage.removeItem(name);
    goTo(env, transaction.back ?? redirectUri);
    if (transaction.state !== state) throw refused("wrong_state");
    // RFC 9207 §2.4: the code of another issuer must not reach this issuer's token endpoint.
    if (query.get("iss") !== issuer) throw refused("wrong_issuer");
    if (!code) throw refused(error!, query.get("error_description") ?? undefined);
    const answer = await token({
      grant_type: "authorization_code",
      code,
      redirect_uri: redirectUri,
      code_verifier: transaction.verifier!,
    });
    checkId(answer, ({ nonce }) => nonce === transaction.nonce);
    // What was kept of another session must not be taken for this one's.
    await store.remove();
    return grantOf(answer, undefined);
  };

  return client(
    {
      name,
      want: `${scope} ${resource ?? ""}`,
      // Without a common store every tab has a session of its own, and its token stays there.
      shared: options.store !== undefined,
      begin: async () => {
        try {
          return await finish();
        } catch (error) {
          // A sign-in that failed, or that nobody here asked for, does not end the session there is.
          returned = error as SignetError;
          return null;
        }
      },
      renew: async (known) => {
        const stored = await store.get();
        sent = stored?.refresh;
        if (!stored || !sent) throw new SignetError("signed-out", "login_required");
        const session = known ?? stored.session;
        const answer = await token({ grant_type: "refresh_token", refresh_token: sent });
        // OIDC Core §12.2: a refresh does not change who is signed in.
        if (answer["id_token"] !== undefined) checkId(answer, ({ sub }) => sub === session.sub);
        return grantOf(answer, session);
      },
      keep: async ({ refresh, session, idToken }) => {
        // An answer without a refresh token leaves the one there is in force (RFC 6749 §6).
        const kept = await store.get();
        const next = refresh ?? kept?.refresh;
        if (next) await store.set({ refresh: next, session, idToken: idToken ?? kept?.idToken });
      },
      // A refused token is never sent again; another tab may have put a newer one into the store.
      doubts: async () => ((await store.get())?.refresh ?? sent) !== sent,
      forget: async () => store.remove(),
      end: async (everywhere) => {
        const stored = await store.get();
        const { revocation_endpoint: url } = await discover();
        if (stored && url) await post(url, { token: stored.refresh, token_type_hint: "refresh_token" });
        // The page there ends the browser's session, and offers to end all the user's.
        if (everywhere) env.location.assign(`${base}/logout`);
      },
      error: () => returned,
      leave: async (asked: SignIn) => {
        const { authorization_endpoint: endpoint } = await discover();
        const { pathname, search, hash } = new URL(asked.returnTo ?? "", env.location.href);
        const [state, nonce, verifier] = [random(), random(), random()];
        const digest = await env.crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
        const transaction: Transaction = { state, nonce, verifier, back: pathname + search + hash };
        const url = withQuery(endpoint, asked, {
          response_type: "code",
          client_id: clientId,
          redirect_uri: redirectUri,
          scope,
          state,
          nonce,
          code_challenge: base64url(digest),
          code_challenge_method: "S256",
          resource,
        });
        env.sessionStorage.setItem(name, JSON.stringify(transaction));
        env.location.assign(url);
      },
    },
    options.apis,
    env,
  );
}

function memory(): Store {
  let held: Stored | null = null;
  return {
    get: () => held,
    set: (stored) => {
      held = stored;
    },
    remove: () => {
      held = null;
    },
  };
}

function refused(code: string, description?: string): SignetError {
  return new SignetError("refused", code, description);
}

function base64url(data: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(data))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}
