/** @signet/spa: sign-in for single-page applications. Import one of the two clients; the other costs nothing. */
export { cookieClient, type CookieOptions } from "./cookie.js";
export { tokenClient, type Store, type Stored, type TokenOptions } from "./token.js";
export { SignetError, type ErrorKind } from "./error.js";
export { stepUp, type StepUp } from "./challenge.js";
export type { Change, Client, SignIn } from "./core.js";
export type { Session } from "./answer.js";
export type { Channel, Environment, Locks } from "./environment.js";
