/** Verifies OAuth 2 access tokens in a resource server: locally, strictly, and dead within a second of their revocation. */
export { Refusal, type Scheme } from "./challenge.js";
export type { Clock } from "./clock.js";
export type { DpopPolicy } from "./dpop.js";
export { expressAuth, type ExpressMiddleware, expressMetadata, expressRefusals } from "./express.js";
export type { FeedState } from "./feed/client.js";
export type { Instant } from "./feed/follower.js";
export { metadataResponse, withAuth } from "./handler.js";
export type { IntrospectionCredentials } from "./http/introspection.js";
export { type Cause, Rejected, Unavailable } from "./jose/rejected.js";
export type { ResourceDescription } from "./metadata.js";
export type { RequestParts } from "./request.js";
export type { Token } from "./token.js";
export {
  createVerifier,
  type Need,
  type StalePolicy,
  type Status,
  type Verifier,
  type VerifierOptions,
} from "./verifier.js";
