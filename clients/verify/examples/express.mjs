// A protected API in one file: `node examples/express.mjs` beside `signet dev`.
//
//   ISSUER            default http://localhost:8080
//   AUDIENCE          default https://api.example.com, that of the demo clients
//   CLIENT_ID, CLIENT_SECRET   a client that may introspect; without one, tokens pass while the feed is stale
import express from "express";
import { createVerifier, expressAuth, expressRefusals } from "@signet/verify";

const { ISSUER = "http://localhost:8080", AUDIENCE = "https://api.example.com", PORT = "4000", CLIENT_ID, CLIENT_SECRET } = process.env;

const verifier = createVerifier({
  issuer: ISSUER,
  audience: AUDIENCE,
  ...(CLIENT_ID && CLIENT_SECRET && { introspection: { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET } }),
});

const app = express();

app.get("/healthz", (_req, res) => res.json(verifier.status()));
app.get("/me", expressAuth(verifier), (req, res) => res.json({ sub: req.auth.subject, scopes: req.auth.scopes }));
app.get("/orders", expressAuth(verifier, { scopes: ["read"] }), (_req, res) => res.json([]));
// Payments want a user who signed in within five minutes, and no token while nobody can say whether it was revoked.
app.post("/payments", expressAuth(verifier, { scopes: ["read"], maxAge: 300, onStale: "closed" }), (_req, res) => res.status(201).json({}));
app.use(expressRefusals());

const server = app.listen(Number(PORT), () => console.log(`http://localhost:${server.address().port}`));

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    server.close();
    void verifier.close();
  });
}
