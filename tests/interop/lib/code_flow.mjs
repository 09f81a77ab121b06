// The authorization code flow with PKCE by hand, for suites that are about what comes after it.
import { createHash, randomBytes } from "node:crypto";
import { Browser } from "./browser.mjs";
import { callback, issuer, post, scope, users } from "./server.mjs";

const random = () => randomBytes(32).toString("base64url");

/** Signs in as `demo-spa` and returns the token response with the nonce. */
export async function signIn({ user = users.alice, browser = new Browser() } = {}) {
  const [verifier, state, nonce] = [random(), random(), random()];
  const query = new URLSearchParams({
    response_type: "code",
    client_id: "demo-spa",
    redirect_uri: callback,
    scope,
    state,
    nonce,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const { answer } = await browser.authorize(`${issuer}/authorize?${query}`, { user });
  if (answer.searchParams.get("state") !== state) throw new Error(`not the answer to this question: ${answer}`);
  const { status, body } = await post("/token", {
    grant_type: "authorization_code",
    client_id: "demo-spa",
    code: answer.searchParams.get("code"),
    redirect_uri: callback,
    code_verifier: verifier,
  });
  if (status !== 200) throw new Error(`the code was not accepted: ${status} ${JSON.stringify(body)}`);
  return { ...body, nonce };
}
