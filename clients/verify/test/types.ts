// Compiled and never run: the published types fit Express and fetch handlers as people write them.
import { createVerifier, expressAuth, expressMetadata, expressRefusals, Refusal, type Token, withAuth } from "@signet/verify";
import { TestIssuer } from "@signet/verify/testing";
import express from "express";

const verifier = createVerifier({ issuer: "https://issuer.example", audience: ["a", "b"], onStale: "closed", dpop: "accept" });
const app = express();
app.get(verifier.metadataPath, expressMetadata(verifier));
app.use(expressAuth(verifier));
app.get("/orders", expressAuth(verifier, { scopes: ["read"], maxAge: 300, acr: ["gold"], onStale: "open" }), (req, res) => {
  const subject: string | undefined = req.auth?.subject;
  const roles: readonly string[] = req.auth?.roles ?? [];
  res.json({ subject, roles });
});
app.use(expressRefusals());

export const GET = withAuth(verifier, { scopes: ["read"] }, async (_request: Request, token: Token, context: { params: { id: string } }) =>
  Response.json({ sub: token.subject, id: context.params.id }));

export async function any(request: Request): Promise<Response> {
  try {
    const token = await verifier.authorize(request, { scopes: ["read"] });
    token.requireFresh(300);
    token.requireAcr("gold");
    return Response.json(token.claims["sub"]);
  } catch (error) {
    if (error instanceof Refusal) return error.toResponse();
    throw error;
  }
}

// @ts-expect-error an audience is needed
createVerifier({ issuer: "https://issuer.example" });
// @ts-expect-error no such policy
createVerifier({ issuer: "https://issuer.example", audience: "a", onStale: "ignore" });

export const issuer = await TestIssuer.start({ feed: false });
