/** The challenge of a resource server (RFC 9110 §11.6.1, RFC 6750 §3). */

/** The parameters of the `Bearer` challenge of a 401; empty if there is none, or the API does not expose the header. */
export function challenge({ status, headers }: Response): Partial<Record<string, string>> {
  const found: Record<string, string> = {};
  const header = (status === 401 && headers.get("WWW-Authenticate")) || "";
  let scheme = "";
  for (const [, word = "", quoted, plain] of header.matchAll(/([^\s=",]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*)))?/g)) {
    const name = word.toLowerCase();
    const value = quoted ?? plain;
    if (value === undefined) scheme = name;
    else if (scheme === "bearer") found[name] ??= value;
  }
  return found;
}

/** What a resource server wants the user to prove anew (RFC 9470 §3). */
export interface StepUp {
  /** Seconds: the authentication must not be older. */
  readonly maxAge?: number | undefined;
  /** Space-separated, in order of preference. */
  readonly acrValues?: string | undefined;
}

/** What a response asks for if it is an `insufficient_user_authentication`; pass it to `signIn`. */
export function stepUp(response: Response): StepUp | null {
  const { error, max_age, acr_values } = challenge(response);
  if (error !== "insufficient_user_authentication") return null;
  return { maxAge: max_age ? Number(max_age) : undefined, acrValues: acr_values };
}
