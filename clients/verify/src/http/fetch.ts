/** Requests to the issuer: to https or loopback only, without redirects, bounded in size and time. */

/** A complete answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** The `fetch` that requests are made with. */
export type Fetch = typeof globalThis.fetch;

/** What bounds a request. */
export interface Bounds {
  /** Milliseconds until the whole answer must be there. */
  readonly timeout: number;
  /** The longest body in bytes. */
  readonly longest: number;
}

/** Bounds of documents such as discovery and key sets. */
export const DOCUMENT: Bounds = { timeout: 5_000, longest: 512 * 1024 };

/** An address that may be asked: https, or http on the loopback interface. `undefined` for any other. */
export function safeUrl(text: unknown): URL | undefined {
  if (typeof text !== "string" || text.length > 2_000 || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.username !== "" || url.password !== "" || url.hash !== "") return undefined;
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname)) ? url : undefined;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Makes a request and reads the answer. Throws where there is none, or it is a redirect, too long or too late. */
export async function request(fetch: Fetch, url: URL, init: RequestInit, bounds: Bounds): Promise<Answer> {
  const late = AbortSignal.timeout(bounds.timeout);
  const signal = init.signal ? AbortSignal.any([init.signal, late]) : late;
  const response = await start(fetch, url, { ...init, signal });
  const body = await readAll(response, bounds.longest);
  return { status: response.status, headers: response.headers, body };
}

/** Makes a request and leaves the body to be read. */
export async function start(fetch: Fetch, url: URL, init: RequestInit): Promise<Response> {
  const response = await fetch(url, { ...init, redirect: "manual", credentials: "omit" });
  // A redirect could lead anywhere; browsers' fetch shows it as status 0.
  if (response.status === 0 || (response.status >= 300 && response.status < 400)) {
    await response.body?.cancel();
    throw new Error("a redirect");
  }
  return response;
}

async function readAll(response: Response, longest: number): Promise<Uint8Array> {
  const announced = Number(response.headers.get("content-length") ?? 0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  while (reader) {
    const chunk = announced > longest ? undefined : await reader.read();
    length += chunk?.value?.length ?? 0;
    if (!chunk || length > longest) {
      await reader.cancel().catch(() => undefined);
      throw new Error("the answer is too long");
    }
    if (chunk.done) break;
    chunks.push(chunk.value);
  }
  return Buffer.concat(chunks, length);
}
