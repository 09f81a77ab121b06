/** Key pairs for tests. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";

/** A pair of one kind. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const ENCODED = {
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "der" },
} as const;

/** P-256. */
export function ecPair(): KeyPair {
  return parsed(generateKeyPairSync("ec", { namedCurve: "P-256", ...ENCODED }));
}

/** Ed25519. */
export function ed25519Pair(): KeyPair {
  return parsed(generateKeyPairSync("ed25519", ENCODED));
}

/** RSA. */
export function rsaPair(modulusLength = 2048, publicExponent = 65_537): KeyPair {
  return parsed(generateKeyPairSync("rsa", { modulusLength, publicExponent, ...ENCODED }));
}

/**
 * Through an encoding, for Node 20 sometimes never returns from exporting a pair that it has just generated: the
 * garbage collector waits, in the middle of the export, for the lock that the export holds.
 */
function parsed(pair: object): KeyPair {
  // The types of Node 20 know these options for PEM only.
  const { privateKey, publicKey } = pair as { privateKey: Buffer; publicKey: Buffer };
  return {
    privateKey: createPrivateKey({ key: privateKey, format: "der", type: "pkcs8" }),
    publicKey: createPublicKey({ key: publicKey, format: "der", type: "spki" }),
  };
}
