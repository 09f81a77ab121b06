/** Strict unpadded base64url (RFC 7515 §2), and the digests that are written in it. */
import { createHash } from "node:crypto";

const ALPHABET = /^[A-Za-z0-9_-]*$/;

/** Decodes; `undefined` for padding, other characters, impossible lengths and bits left over (RFC 4648 §3.5). */
export function decode(text: string): Uint8Array | undefined {
  if (text.length % 4 === 1 || !ALPHABET.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64url");
  // Two spellings of one value would give a token two digests. Only the last character can be spelt in two ways.
  if (text.length % 4 !== 0 && bytes.subarray(-(bytes.length % 3)).toString("base64url") !== text.slice(-(text.length % 4))) {
    return undefined;
  }
  return bytes;
}

/** Encodes bytes, or a string as UTF-8. */
export function encode(bytes: Uint8Array | string): string {
  return Buffer.from(bytes as Uint8Array).toString("base64url");
}

/** The SHA-256 of a string (as UTF-8) in base64url. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
