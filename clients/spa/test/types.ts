// The types as an application sees them: this file has to compile.
import { cookieClient, SignetError, stepUp, tokenClient, type Change, type Client, type Session, type Store } from "../dist/index.js";

const cookie: Client = cookieClient({ clientId: "shop", host: "https://auth.example.com", apis: ["https://api.example.com"] });
const store: Store = { get: () => null, set: async () => undefined, remove: () => undefined };
const token: Client = tokenClient({ issuer: "https://login.example.com", clientId: "shop", redirectUri: "https://shop.example.com/back", store });

export async function use(): Promise<string> {
  const session: Session | null = await cookie.ready();
  const sub: string | undefined = session?.sub;
  const claim: unknown = session?.["email"];
  const stop: () => void = token.onChange((change: Change) => {
    if (change.type === "step-up") void token.signIn({ maxAge: change.maxAge, acrValues: change.acrValues });
    if (change.type === "unavailable") console.log(change.error.code, change.retryIn);
    // @ts-expect-error: only a sign-out has a reason
    void change.reason;
  });
  stop();
  const response = await cookie.fetch("https://api.example.com/orders", { method: "POST", body: "{}" });
  await cookie.signIn({ ...stepUp(response), prompt: "login" });
  await cookie.logout({ everywhere: true });
  try {
    return await token.getAccessToken({ refresh: true });
  } catch (error) {
    if (error instanceof SignetError && error.kind === "signed-out") return error.code;
    throw error;
  }
  // @ts-expect-error: where the token may go has to be said in origins
  cookieClient({ clientId: "shop", apis: "https://api.example.com" });
  return `${sub} ${String(claim)}`;
}
