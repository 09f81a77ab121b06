/** Why a token is refused. */

/**
 * The cause, for logs and metrics. On the wire all of them are `invalid_token`: a caller that could tell them apart
 * would help who probes.
 */
export type Cause =
  | "too_long"
  | "parts"
  | "encoding"
  | "header_form"
  | "header_member"
  | "kid_missing"
  | "kid_unknown"
  | "algorithm"
  | "typ"
  | "signature_form"
  | "signature"
  | "payload_form"
  | "claim_missing"
  | "claim_type"
  | "issuer"
  | "audience"
  | "expired"
  | "not_yet_valid"
  | "issued_ahead"
  | "inactive"
  | "token_type"
  | "binding"
  | "opaque"
  | "revoked";

/** A token that is refused. */
export class Rejected extends Error {
  override readonly name = "Rejected";
  /** Why, in one word. */
  readonly reason: Cause;
  /** The claim the cause lies in, or the kind of the entry that revoked the token. */
  readonly claim: string | undefined;

  constructor(reason: Cause, claim?: string) {
    super(claim === undefined ? reason : `${reason} (${claim})`);
    this.reason = reason;
    this.claim = claim;
  }
}

/** Nobody can say now whether the token is good: the issuer does not answer, or the policy forbids to go on alone. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
}
