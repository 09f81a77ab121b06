/** What the revocation feed tells: docs/revocation-feed.md §1. */
import { isCount } from "../jose/claims.js";

/** The kinds of entry, in the order in which a token is judged. */
export const KINDS = ["iss", "kid", "client", "sub", "sid", "fam", "jti"] as const;

/** What an entry names. */
export type Kind = (typeof KINDS)[number];

/** One entry. */
export interface Entry {
  readonly kind: Kind;
  /** At most 255 bytes; empty for `iss`. */
  readonly id: string;
  /** The smallest value that is still good: seconds, an epoch or a generation. `null`: none is. */
  readonly min: number | null;
  /** Unix seconds from which on no token exists that the entry could void. */
  readonly diesAt: number;
}

/** The longest id in bytes of UTF-8. */
const LONGEST_ID = 255;

/** Which `min` a kind has. */
const MIN: Record<Kind, "number" | "null" | "either"> = {
  iss: "number",
  kid: "null",
  client: "number",
  sub: "number",
  sid: "null",
  fam: "either",
  jti: "null",
};

/** Reads the array of four; `undefined` for any other shape. */
export function readEntry(value: unknown): Entry | undefined {
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [kind, id, min, diesAt]: unknown[] = value;
  if (!isKind(kind) || typeof id !== "string" || !isCount(diesAt)) return undefined;
  if (id.length > LONGEST_ID || Buffer.byteLength(id) > LONGEST_ID || (kind === "iss") !== (id === "")) return undefined;
  if (min === null ? MIN[kind] === "number" : MIN[kind] === "null" || !isCount(min)) return undefined;
  return { kind, id, min: min as number | null, diesAt };
}

function isKind(value: unknown): value is Kind {
  return KINDS.includes(value as Kind);
}
