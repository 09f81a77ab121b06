/** The one error class, and what each kind of it asks of the application. */

/**
 * What to do about an error:
 * - `signed-out`: offer to sign in;
 * - `unavailable`: the session stands, the answer did not come; the client tries again by itself;
 * - `refused`: the program or the registration is wrong, or the user said no: `code` and `message` tell.
 */
export type ErrorKind = "signed-out" | "unavailable" | "refused";

/** Why there is no token. */
export class SignetError extends Error {
  override readonly name = "SignetError";
  declare readonly kind: ErrorKind;
  /** The code of the OAuth answer, such as `login_required`, or one of this client's: `no_answer`, `bad_answer`, … */
  declare readonly code: string;
  /** Milliseconds the server asked to wait, from `Retry-After`. */
  declare readonly retryAfter: number | undefined;

  constructor(kind: ErrorKind, code: string, description?: string, retryAfter?: number) {
    super(description ?? code);
    Object.assign(this, { kind, code, retryAfter });
  }
}
