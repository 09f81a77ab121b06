/** Protected resource metadata (RFC 9728): what clients learn about this resource server. */
import type { DpopPolicy } from "./dpop.js";
import { ALGORITHMS } from "./jose/key_set.js";

/** What a resource says of itself beyond its address. */
export interface ResourceDescription {
  /** The scopes it knows. */
  readonly scopes?: readonly string[];
  /** Its name for people. */
  readonly name?: string;
  /** A page for developers. */
  readonly documentation?: string;
}

/** Where the document of a resource is: the well-known part goes between host and path (RFC 9728 §3.1). */
export function metadataUrl(resource: string): string {
  const { origin, pathname, search } = new URL(resource);
  return `${origin}/.well-known/oauth-protected-resource${pathname === "/" ? "" : pathname}${search}`;
}

/** The document (RFC 9728 §2). */
export function metadataDocument(
  resource: string,
  issuer: string,
  dpop: DpopPolicy,
  description: ResourceDescription,
): Record<string, unknown> {
  return {
    resource,
    authorization_servers: [issuer],
    bearer_methods_supported: ["header"],
    ...(description.scopes && { scopes_supported: description.scopes }),
    ...(description.name !== undefined && { resource_name: description.name }),
    ...(description.documentation !== undefined && { resource_documentation: description.documentation }),
    ...(dpop !== "off" && { dpop_signing_alg_values_supported: ALGORITHMS }),
    ...(dpop === "require" && { dpop_bound_access_tokens_required: true }),
  };
}
