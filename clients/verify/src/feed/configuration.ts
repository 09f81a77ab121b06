/** The configuration of an issuer's feed: docs/revocation-feed.md §4. */
import { DOCUMENT, type Fetch, request, safeUrl } from "../http/fetch.js";
import { isObject, type JsonObject, strictObject } from "../jose/strict_json.js";
import { FeedKeys } from "./message.js";

/** The version of the format that is understood. */
const VERSION = 1;

/** Where the feed is, and who signs it. */
export interface FeedConfiguration {
  readonly snapshot: URL;
  /** The address of batch n. */
  readonly batch: (n: number) => URL;
  /** The address of the stream after batch n; without n it begins with a snapshot. */
  readonly stream: (from: number | undefined) => URL;
  readonly keys: FeedKeys;
  readonly heartbeatSeconds: number;
}

/** Reads the configuration; `undefined` where the issuer has no feed. Throws where there is no usable answer. */
export async function readConfiguration(
  issuer: string,
  fetch: Fetch,
  signal: AbortSignal,
): Promise<FeedConfiguration | undefined> {
  const url = new URL(`${issuer.replace(/\/$/, "")}/.well-known/revocation-configuration`);
  const answer = await request(fetch, url, { headers: { accept: "application/json" }, signal }, DOCUMENT);
  if (answer.status === 404) return undefined;
  const document = answer.status === 200 ? strictObject(answer.body) : undefined;
  if (!document) throw new Error(`the feed's configuration answered ${answer.status}`);
  return read(document, issuer);
}

function read(document: JsonObject, issuer: string): FeedConfiguration {
  if (document["issuer"] !== issuer) throw new Error("the configuration is that of another issuer");
  if (document["revocation_feed_version"] !== VERSION) throw new Error("an unknown version of the feed");
  const keys = isObject(document["jwks"]) ? FeedKeys.read(document["jwks"]) : undefined;
  if (!keys) throw new Error("the configuration has no usable key");
  const batch = document["batch_endpoint"];
  if (typeof batch !== "string" || !batch.includes("{n}")) throw new Error("the configuration has no batch_endpoint");
  const ofIssuer = (text: unknown) => {
    const url = safeUrl(text);
    if (!url || url.origin !== new URL(issuer).origin) throw new Error("an endpoint is not of the issuer's origin");
    return url;
  };
  const batchUrl = (n: number) => ofIssuer(batch.replace("{n}", String(n)));
  batchUrl(0);
  const stream = ofIssuer(document["stream_endpoint"]);
  const seconds = document["heartbeat_seconds"];
  return {
    snapshot: ofIssuer(document["snapshot_endpoint"]),
    batch: batchUrl,
    stream: (from) => {
      const url = new URL(stream);
      if (from !== undefined) url.searchParams.set("from", String(from));
      return url;
    },
    keys,
    heartbeatSeconds: typeof seconds === "number" && seconds > 0 && seconds <= 60 ? seconds : 1,
  };
}
