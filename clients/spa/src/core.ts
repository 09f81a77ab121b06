/** What both modes share: one token, when it is renewed, and who is told. */
import type { Grant, Session } from "./answer.js";
import { bearer } from "./bearer.js";
import type { StepUp } from "./challenge.js";
import type { Channel, Environment } from "./environment.js";
import { SignetError } from "./error.js";
import { locked } from "./lock.js";

/** How a mode gets its tokens. */
export interface Mode {
  /** Which server and client: the name of lock and channel. */
  readonly name: string;
  /** Which token of theirs: other pages of the origin may want another scope. */
  readonly want: string;
  /** Whether all tabs live on one session, so that a token of one is a token of all. */
  readonly shared: boolean;
  /** Reads the page's address; a grant if it is the answer to a sign-in. Never throws. */
  begin(): Promise<Grant | null>;
  /** Asks for an access token. */
  renew(known: Session | undefined): Promise<Grant>;
  /** Keeps what the next renewal needs. */
  keep(grant: Grant): Promise<void>;
  /** Whether a definitive "signed out" may be a race that asking again would settle. `held`: this tab had a session. */
  doubts(held: boolean): Promise<boolean>;
  /** Drops what `keep` kept. */
  forget(): Promise<void>;
  /** Ends the session on the server. */
  end(everywhere: boolean): Promise<void>;
  /** Why the last sign-in came to nothing. */
  error(): SignetError | null;
  /** Leaves for the sign-in. */
  leave(options: SignIn): Promise<void>;
}

/** How to sign in. */
export interface SignIn extends StepUp {
  /** Where to come back to. Cookie mode: one of the client's `return_uris`, exactly. Token mode: any page of this origin. */
  readonly returnTo?: string;
  /** OIDC Core §3.1.2.1: `none` (never show a page), `login`, `consent`, `select_account`. */
  readonly prompt?: string;
  readonly loginHint?: string;
}

/** What the application may want to show. */
export type Change =
  | { readonly type: "signed-in"; readonly session: Session }
  | { readonly type: "refreshed"; readonly session: Session }
  /** `reason`: `logout`, or the code of the server's answer. `elsewhere`: another tab said so. */
  | { readonly type: "signed-out"; readonly reason: string; readonly elsewhere: boolean }
  /** A refresh had no result. The session stands; milliseconds until the next attempt, of which there is none if it was `refused`. */
  | { readonly type: "unavailable"; readonly error: SignetError; readonly retryIn: number }
  /** An API wants more of the user than their token (RFC 9470). */
  | ({ readonly type: "step-up"; readonly url: string } & StepUp);

/** What the application holds. */
export interface Client {
  /** Who is signed in; `null` before {@link ready} and after signing out. */
  readonly session: Session | null;
  /** What came back instead of a session, such as `login_required` or `access_denied`; read off the address and removed. */
  readonly returnError: SignetError | null;
  /**
   * Finishes a sign-in, or restores the session without showing anything. Call it when the page loads.
   *
   * @throws SignetError of kind `unavailable` if the server did not answer: nobody knows yet; the client goes on trying.
   */
  ready(): Promise<Session | null>;
  /** An access token that lives. `refresh: true` gets a new one. @throws SignetError */
  getAccessToken(options?: { readonly refresh?: boolean }): Promise<string>;
  /** As `fetch`, with the access token for the origins of `apis`, and for no other. @throws SignetError */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Leaves the page to sign in. */
  signIn(options?: SignIn): Promise<void>;
  /** Signs out of this session, or of every device. @throws SignetError if the server did not confirm: nothing has ended then. */
  logout(options?: { readonly everywhere?: boolean }): Promise<void>;
  /** Calls back on every change until the function it returns is called. */
  onChange(listener: (change: Change) => void): () => void;
  /** Lets go of timers, listeners and channel. */
  close(): void;
}

/** The token of this tab. */
interface Held extends Grant {
  /** When it ends, by the client's clock. */
  readonly until: number;
  readonly jitter: number;
}

type News = { readonly want: string; readonly grant: Grant } | { readonly over: string };
/** What tabs tell one another, and when they did, by the wall clock. */
type Message = News & { readonly sent: number };

/** Milliseconds in which the announcement of the tab that held the lock arrives. */
const NEWS_PATIENCE = 50;
/** The longest a `Retry-After` is followed, in milliseconds: a mistake there must not last. */
const LONGEST_WAIT = 300_000;
/** Failures in a row after which only a call or a look at the page asks again. */
const ATTEMPTS = 10;
/** What timers can count to. */
const LONGEST_TIMER = 2 ** 31 - 1;
const LOGOUT = "logout";
const SIGNED_OUT = "signed-out";
const WAKERS = ["visibilitychange", "pageshow", "focus", "online"];

/** Makes the client of a mode. `apis`: origins that get the token. */
export function client(mode: Mode, apis: readonly string[] = [], env: Environment): Client {
  const listeners = new Set<(change: Change) => void>();
  let held: Held | null = null;
  /** Whether it is known that there is a session, or none. */
  let known = false;
  /** Counts the sign-outs: what was asked for before one is worth nothing after it. */
  let endings = 0;
  /** When the last one was, by the wall clock, which all tabs have in common. */
  let ended = 0;
  let closed = false;
  let begun: Promise<void> | undefined;
  let refreshing: Promise<Held> | undefined;
  let failures = 0;
  /** Why nothing is asked for a while, and until when. */
  let fault: SignetError | undefined;
  let resume = 0;
  let timer: number | undefined;
  let [clock, wall, mono] = [0, env.Date.now(), env.performance.now()];
  /** Ends the wait for another tab's announcement. */
  let news: (() => void) | undefined;
  let channel: Channel | undefined;

  /** Milliseconds. One of the clocks stands still while the machine sleeps, the other can be set: whichever went further. */
  const now = () => {
    const [before, monoBefore] = [wall, mono];
    wall = env.Date.now();
    mono = env.performance.now();
    return (clock += Math.max(wall - before, mono - monoBefore));
  };
  const left = (grant: Held) => grant.until - now();
  const isSame = ({ session: { sub, sid } }: Grant) => held?.session.sub === sub && held.session.sid === sid;
  const usable = (grant: Held) => left(grant) > lead(grant) / 6;
  /** Milliseconds until the renewal: at `exp` less 30 s or a tenth, and up to a quarter of that sooner. */
  const due = () => (held ? left(held) - lead(held) * (1 + held.jitter / 4) : 0);
  const pausing = () => resume - now();
  /** Whether there is something to renew, or still to restore, and somebody looks. */
  const wanted = () => (held ?? (!known && fault)) && env.document.visibilityState !== "hidden";

  const sleep = (milliseconds: number) =>
    new Promise<void>((resolve) => {
      news = resolve;
      env.setTimeout(resolve, milliseconds);
    });

  const emit = (change: Change) => {
    listeners.forEach((listener) => {
      try {
        listener(change);
      } catch (error) {
        env.reportError?.(error);
      }
    });
  };

  const tell = (message: News) => channel?.postMessage({ ...message, sent: env.Date.now() });

  const adopt = (grant: Grant, own: boolean): Held => {
    const type = isSame(grant) ? "refreshed" : "signed-in";
    held = { ...grant, until: now() + grant.lifetime, jitter: env.Math.random() };
    known = true;
    resume = failures = 0;
    fault = undefined;
    if (own && mode.shared) tell({ want: mode.want, grant: { ...grant, refresh: undefined, idToken: undefined } });
    emit({ type, session: grant.session });
    arm();
    return held;
  };

  const signOut = (reason: string, elsewhere: boolean, sent = env.Date.now()) => {
    const had = held;
    endings += 1;
    ended = sent;
    held = null;
    known = true;
    arm();
    // A common store was emptied by the tab that said so, and may hold the next session by now.
    if (!elsewhere || !mode.shared) mode.forget().catch(() => undefined);
    // A page that found nobody signed in has no news for the others.
    if (!elsewhere && (had || reason === LOGOUT)) tell({ over: reason });
    if (had) emit({ type: "signed-out", reason, elsewhere });
  };

  const failed = (error: SignetError): SignetError => {
    const step = Math.min(1000 * 2 ** failures, 60_000);
    failures += 1;
    // Never before the server asked for, and not all clients at once.
    const retryIn = Math.max(step / 2, Math.min(error.retryAfter ?? 0, LONGEST_WAIT)) + (env.Math.random() * step) / 2;
    resume = now() + retryIn;
    fault = error;
    emit({ type: "unavailable", error, retryIn });
    return error;
  };

  const renew = async (stale: Held | null, before: number, waited: boolean): Promise<Held> => {
    // What another tab has announced meanwhile.
    const announced = () => held && held !== stale && usable(held) && held;
    if (waited && !announced()) await sleep(NEWS_PATIENCE);
    for (let again = false; ; again = true) {
      const other = announced();
      if (other) return other;
      if (endings !== before) throw new SignetError(SIGNED_OUT, LOGOUT);
      if (fault && pausing() > 0) throw fault;
      const asked = now();
      try {
        const grant = await mode.renew(held?.session);
        await mode.keep(grant);
        if (endings === before) return adopt({ ...grant, lifetime: grant.lifetime + asked - now() }, true);
        // Who closes a client does not sign out: what it shares is the others', who need the newest.
        if (!closed) await mode.forget();
      } catch (error) {
        // Another tab's refresh may have overtaken this one: what is true now is asked once more.
        const sure = again || !(await mode.doubts(stale !== null));
        if (endings !== before || announced()) continue;
        if (!isSignedOut(error)) throw failed(error as SignetError);
        if (sure) {
          signOut(error.code, false);
          throw error;
        }
        await sleep(250 * (1 + env.Math.random()));
      }
    }
  };

  /** One at a time in this tab and, where there are locks, in the browser. */
  const refresh = (stale: Held | null, before = endings): Promise<Held> =>
    (refreshing ??= locked(env, mode.name, (waited) => renew(stale, before, waited)).finally(() => {
      refreshing = undefined;
      arm();
    }));

  /** Whoever needs to know is told by a change. */
  const refreshQuietly = () => {
    refresh(held).catch(() => undefined);
  };

  /** If somebody looks: renews when it is time, and waits for it otherwise. */
  const arm = () => {
    env.clearTimeout(timer);
    if (refreshing || !wanted() || failures > ATTEMPTS || fault?.kind === "refused") return;
    const wait = Math.max(due(), pausing());
    if (wait > 0) timer = env.setTimeout(arm, Math.min(wait, LONGEST_TIMER));
    else refreshQuietly();
  };

  const wake = ({ type, persisted }: Event & { readonly persisted?: boolean }) => {
    if (type === "online" && fault?.code === "no_answer") resume = 0;
    failures = 0;
    // A page from the back-forward cache has missed what was announced, and may show a session that has ended.
    if (persisted && held) refreshQuietly();
    else arm();
  };

  const hear = (message: Message) => {
    if ("over" in message) {
      if (mode.shared || message.over === LOGOUT) {
        // Every tab has a refresh token of its own then.
        if (!mode.shared && held) mode.end(false).catch(() => undefined);
        signOut(message.over, true, message.sent);
      }
    } else if (mode.shared && message.want === mode.want && message.sent > ended) {
      // A tab that was frozen hears of it late.
      const lifetime = message.grant.lifetime + message.sent - env.Date.now();
      if (!held || !isSame(message.grant) || lifetime > left(held)) adopt({ ...message.grant, lifetime }, false);
    }
    news?.();
  };

  const begin = async () => {
    const grant = await mode.begin();
    if (grant) {
      await mode.keep(grant);
      if (!closed) adopt(grant, true);
    }
  };

  const ready = async () => {
    // The address is read, and what it says used, once.
    await (begun ??= begin());
    try {
      if (!known) await refresh(null);
    } catch (error) {
      if (!isSignedOut(error)) throw error;
    }
    return held?.session ?? null;
  };

  const grant = async ({ refresh: fresh = false } = {}): Promise<Grant> => {
    if (!known) await ready();
    const mine = held;
    if (!mine) throw new SignetError(SIGNED_OUT, "login_required");
    if (!fresh && usable(mine)) {
      // The call does not wait for a renewal that is ahead of time.
      if (due() <= 0 && pausing() <= 0) refreshQuietly();
      return mine;
    }
    return refresh(mine);
  };

  const open = env.BroadcastChannel;
  try {
    channel = open && new open(mode.name);
    if (channel) channel.onmessage = ({ data }) => hear(data as Message);
  } catch {
    // An opaque origin has no channels. Every tab is on its own then, which the server copes with.
  }
  for (const type of WAKERS) env.addEventListener(type, wake);

  return {
    get session() {
      return held?.session ?? null;
    },
    get returnError() {
      return mode.error();
    },
    ready,
    getAccessToken: async (options) => (await grant(options)).token,
    fetch: bearer(env, apis.map(exactOrigin), {
      grant,
      next: async ({ token }) => (held?.token === token ? refresh(held) : held),
      stepUp: (url, asked) => emit({ type: "step-up", url, ...asked }),
    }),
    signIn: async (options = {}) => {
      // What cannot be had silently now cannot be had silently the next moment: asking again would go on for ever.
      const error = mode.error();
      if (error && options.prompt === "none") throw error;
      await mode.leave(options);
    },
    logout: async ({ everywhere = false } = {}) => {
      try {
        await mode.end(everywhere);
      } catch (error) {
        if (!isSignedOut(error)) throw error;
        signOut(error.code, false);
        // This device is signed out, the others may not be.
        if (everywhere) throw error;
      }
      signOut(LOGOUT, false);
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      closed = true;
      listeners.clear();
      channel?.close();
      channel = undefined;
      for (const type of WAKERS) env.removeEventListener(type, wake);
      signOut("", true);
    },
  };
}

/** The text if it is an origin as browsers write it. */
export function exactOrigin(text: string): string {
  if (new URL(text).origin !== text) throw new TypeError(text);
  return text;
}

/** How long before its end a token is renewed, in milliseconds. */
function lead({ lifetime }: Grant): number {
  return Math.min(Math.max(30_000, lifetime / 10), lifetime / 2);
}

function isSignedOut(error: unknown): error is SignetError {
  return (error as SignetError).kind === SIGNED_OUT;
}
