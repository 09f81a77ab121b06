/** Questions to the authorization server, and what its answers mean. */
import type { Environment } from "./environment.js";
import { SignetError } from "./error.js";
import { patiently } from "./patience.js";

/** Who is signed in: the claims of the ID token, with what the server says about the session. */
export interface Session {
  /** The user, as the APIs know them. */
  readonly sub: string;
  /** When the user last proved who they are, in Unix seconds. */
  readonly auth_time?: number;
  readonly acr?: string;
  readonly amr?: readonly string[];
  readonly sid?: string;
  readonly [claim: string]: unknown;
}

/** An access token, and what came with it. */
export interface Grant {
  readonly token: string;
  /** Milliseconds, counted from the request. */
  readonly lifetime: number;
  readonly session: Session;
  /** The next refresh token. Token mode only: in cookie mode no answer has one. */
  readonly refresh?: string | undefined;
  /** The ID token as it came. Token mode only. */
  readonly idToken?: string | undefined;
}

export type Json = Readonly<Record<string, unknown>>;

/**
 * One request. An object for every success, empty if the answer is no JSON.
 *
 * @throws SignetError for everything else.
 */
export async function ask(env: Environment, url: string, init?: RequestInit): Promise<Json> {
  try {
    return await patiently(env, async (signal) => {
      const how: RequestInit = { mode: "cors", credentials: "omit", cache: "no-store", redirect: "error", signal, ...init };
      const response = await env.fetch(url, how);
      const body = parse(await response.text());
      if (!response.ok) throw fault(env, response, body);
      return body;
    });
  } catch (error) {
    throw error instanceof SignetError ? error : new SignetError("unavailable", "no_answer", String(error));
  }
}

/** A token response (RFC 6749 §5.1). `known`: the session so far, for answers that do not repeat the claims. */
export function grantOf(body: Json, known: Session | undefined): Grant {
  const token = body["access_token"];
  const said = { ...claimsOf(body["id_token"]), ...(body["session"] as Json | undefined) };
  const sub = said["sub"] ?? known?.sub;
  // RFC 6749 §7.1: a token of a type one does not know must not be used. What is no token response at all may be a
  // captive portal's, or half of one.
  if (typeof token !== "string" || typeof sub !== "string" || !/^bearer$/i.test(body["token_type"] as string)) {
    throw new SignetError("unavailable", "bad_answer");
  }
  return {
    token,
    lifetime: Math.max(Number(body["expires_in"]) || 60, 1) * 1000,
    session: { ...(sub === known?.sub && known), ...said, sub },
    refresh: body["refresh_token"] as string | undefined,
    idToken: body["id_token"] as string | undefined,
  };
}

/** The claims of a JWT that came straight from the server, whose signature TLS stands in for (OIDC Core §3.1.3.7). */
export function claimsOf(jwt: unknown): Json | undefined {
  try {
    const text = atob((jwt as string).split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0)))) as Json;
  } catch {
    return undefined;
  }
}

function parse(text: string): Json {
  try {
    return (JSON.parse(text) ?? {}) as Json;
  } catch {
    return {};
  }
}

function fault(env: Environment, { status, headers }: Response, body: Json): SignetError {
  const code = typeof body["error"] === "string" ? body["error"] : `http_${status}`;
  // Only these words end a session: a status alone may be a proxy's.
  const kind = /^(login_required|invalid_grant)$/.test(code) ? "signed-out"
    : status > 499 || status === 429 ? "unavailable"
    : "refused";
  const wait = headers.get("Retry-After");
  // RFC 9110 §10.2.3: seconds or a date. What cannot be read is none.
  const after = wait && (Number(wait) * 1000 || Date.parse(wait) - env.Date.now());
  return new SignetError(kind, code, body["error_description"] as string | undefined, after || undefined);
}
