/** Middleware for Express 4 and 5, and whatever else speaks `(req, res, next)` over Node's requests. */
import { Refusal } from "./challenge.js";
import type { RequestParts } from "./request.js";
import type { Token } from "./token.js";
import type { Need, Verifier } from "./verifier.js";

declare global {
  namespace Express {
    interface Request {
      /** The verified access token, behind `expressAuth`. */
      auth?: Token;
    }
  }
}

/** What is read of a request. */
export interface ExpressRequest {
  method: string;
  rawHeaders: string[];
  protocol?: string;
  originalUrl?: string;
  url?: string;
  headers: Record<string, string | string[] | undefined>;
  auth?: Token;
}

/** What is used of a response. */
export interface ExpressResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body: string): unknown;
}

/** A middleware. */
export type ExpressMiddleware = (req: ExpressRequest, res: ExpressResponse, next: (error?: unknown) => void) => void;

/**
 * Lets a request through whose token is good and goes far enough, with the token as `req.auth`; answers every other by
 * itself. Behind a proxy, set Express' `trust proxy` or the verifier's `origin` if DPoP is used.
 */
export function expressAuth(verifier: Verifier, need: Need = {}): ExpressMiddleware {
  return (req, res, next) => {
    verifier.authorize(partsOf(req), need).then(
      (token) => {
        req.auth = token;
        next();
      },
      (error: unknown) => {
        if (error instanceof Refusal) answer(res, error);
        else next(error);
      },
    );
  };
}

/** Turns refusals of `req.auth.requireScope(…)` and its like into answers. Goes after the routes. */
export function expressRefusals() {
  return (error: unknown, _req: unknown, res: ExpressResponse, next: (error?: unknown) => void): void => {
    if (error instanceof Refusal) answer(res, error);
    else next(error);
  };
}

/** Serves the protected resource metadata (RFC 9728); mount it at `verifier.metadataPath`. */
export function expressMetadata(verifier: Verifier) {
  const body = JSON.stringify(verifier.metadata());
  return (_req: unknown, res: ExpressResponse): void => {
    res.statusCode = 200;
    res.setHeader("content-type", "application/json");
    res.setHeader("cache-control", "public, max-age=300");
    res.setHeader("access-control-allow-origin", "*");
    res.end(body);
  };
}

function answer(res: ExpressResponse, refusal: Refusal): void {
  res.statusCode = refusal.status;
  for (const [name, value] of Object.entries(refusal.headers)) res.setHeader(name, value);
  res.end(JSON.stringify(refusal.body));
}

/** From the raw lines: Node keeps the first of two `Authorization` headers and says nothing of the other. */
function partsOf(req: ExpressRequest): RequestParts {
  const lines = (name: string) => {
    const found: string[] = [];
    for (let index = 0; index + 1 < req.rawHeaders.length; index += 2) {
      if (req.rawHeaders[index]?.toLowerCase() === name) found.push(req.rawHeaders[index + 1] ?? "");
    }
    return found;
  };
  const host = String(req.headers["host"] ?? req.headers[":authority"] ?? "");
  const url = `${req.protocol ?? "http"}://${host}${req.originalUrl ?? req.url ?? "/"}`;
  return { method: req.method, url, authorization: lines("authorization"), dpop: lines("dpop") };
}
