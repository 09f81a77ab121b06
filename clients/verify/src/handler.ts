/** For handlers that make a `Response` of a `Request`: Hono, Next route handlers, Deno, Bun, service workers. */
import { Refusal } from "./challenge.js";
import type { Token } from "./token.js";
import type { Need, Verifier } from "./verifier.js";

/** Lets a request through whose token is good and goes far enough; answers every other by itself. */
export function withAuth<Rest extends unknown[]>(
  verifier: Verifier,
  need: Need,
  handler: (request: Request, token: Token, ...rest: Rest) => Response | Promise<Response>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  return async (request, ...rest) => {
    try {
      const token = await verifier.authorize(request, need);
      // Inside, so that the handler's own `token.requireScope(…)` is answered too.
      return await handler(request, token, ...rest);
    } catch (error) {
      if (error instanceof Refusal) return error.toResponse();
      throw error;
    }
  };
}

/** Serves the protected resource metadata (RFC 9728) at `verifier.metadataPath`. */
export function metadataResponse(verifier: Verifier): Response {
  const headers = { "cache-control": "public, max-age=300", "access-control-allow-origin": "*" };
  return Response.json(verifier.metadata(), { headers });
}
