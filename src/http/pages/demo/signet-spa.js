// @signet/spa, made of clients/spa/src by `npm run demo` there; do not edit.
// dist/error.js
var SignetError = class extends Error {
  name = "SignetError";
  constructor(kind, code, description, retryAfter) {
    super(description ?? code);
    Object.assign(this, { kind, code, retryAfter });
  }
};

// dist/patience.js
var PATIENCE = 1e4;
async function patiently(env, run) {
  const abort = new AbortController();
  const timer = env.setTimeout(() => abort.abort(), PATIENCE);
  try {
    return await run(abort.signal);
  } finally {
    env.clearTimeout(timer);
  }
}

// dist/answer.js
async function ask(env, url, init) {
  try {
    return await patiently(env, async (signal) => {
      const how = { mode: "cors", credentials: "omit", cache: "no-store", redirect: "error", signal, ...init };
      const response = await env.fetch(url, how);
      const body = parse(await response.text());
      if (!response.ok)
        throw fault(env, response, body);
      return body;
    });
  } catch (error) {
    throw error instanceof SignetError ? error : new SignetError("unavailable", "no_answer", String(error));
  }
}
function grantOf(body, known) {
  const token = body["access_token"];
  const said = { ...claimsOf(body["id_token"]), ...body["session"] };
  const sub = said["sub"] ?? known?.sub;
  if (typeof token !== "string" || typeof sub !== "string" || !/^bearer$/i.test(body["token_type"])) {
    throw new SignetError("unavailable", "bad_answer");
  }
  return {
    token,
    lifetime: Math.max(Number(body["expires_in"]) || 60, 1) * 1e3,
    session: { ...sub === known?.sub && known, ...said, sub },
    refresh: body["refresh_token"],
    idToken: body["id_token"]
  };
}
function claimsOf(jwt) {
  try {
    const text = atob(jwt.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  } catch {
    return void 0;
  }
}
function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
function fault(env, { status, headers }, body) {
  const code = typeof body["error"] === "string" ? body["error"] : `http_${status}`;
  const kind = /^(login_required|invalid_grant)$/.test(code) ? "signed-out" : status > 499 || status === 429 ? "unavailable" : "refused";
  const wait = headers.get("Retry-After");
  const after = wait && (Number(wait) * 1e3 || Date.parse(wait) - env.Date.now());
  return new SignetError(kind, code, body["error_description"], after || void 0);
}

// dist/challenge.js
function challenge({ status, headers }) {
  const found = {};
  const header = status === 401 && headers.get("WWW-Authenticate") || "";
  let scheme = "";
  for (const [, word = "", quoted, plain] of header.matchAll(/([^\s=",]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*)))?/g)) {
    const name = word.toLowerCase();
    const value = quoted ?? plain;
    if (value === void 0)
      scheme = name;
    else if (scheme === "bearer")
      found[name] ??= value;
  }
  return found;
}
function stepUp(response) {
  const { error, max_age, acr_values } = challenge(response);
  if (error !== "insufficient_user_authentication")
    return null;
  return { maxAge: max_age ? Number(max_age) : void 0, acrValues: acr_values };
}

// dist/bearer.js
function bearer(env, origins, source) {
  return async (input, init) => {
    const given = input instanceof Request ? input : null;
    const url = new URL(given?.url ?? input, env.document.baseURI);
    const headers = new Headers(init?.headers ?? given?.headers);
    if (!origins.includes(url.origin) || headers.has("Authorization"))
      return env.fetch(input, init);
    const send = (what, { token }) => {
      headers.set("Authorization", `Bearer ${token}`);
      return env.fetch(new Request(what, { ...init, headers }));
    };
    const used = await source.grant();
    const response = await send(given?.clone() ?? url, used);
    const more = stepUp(response);
    if (more)
      source.stepUp(url.href, more);
    if (challenge(response).error !== "invalid_token")
      return response;
    const next = await source.next(used).catch(() => void 0);
    if (next?.session.sub !== used.session.sub || init?.body instanceof ReadableStream)
      return response;
    return send(given ?? url, next);
  };
}

// dist/lock.js
var UNCONTENDED = 20;
async function locked(env, name, run) {
  const asked = env.performance.now();
  let running;
  const go = () => running ??= run(env.performance.now() - asked > UNCONTENDED);
  await patiently(env, async (signal) => env.navigator.locks?.request(name, { signal }, go)).catch(() => void 0);
  return go();
}

// dist/core.js
var NEWS_PATIENCE = 50;
var LONGEST_WAIT = 3e5;
var ATTEMPTS = 10;
var LONGEST_TIMER = 2 ** 31 - 1;
var LOGOUT = "logout";
var SIGNED_OUT = "signed-out";
var WAKERS = ["visibilitychange", "pageshow", "focus", "online"];
function client(mode, apis = [], env) {
  const listeners = /* @__PURE__ */ new Set();
  let held = null;
  let known = false;
  let endings = 0;
  let ended = 0;
  let closed = false;
  let begun;
  let refreshing;
  let failures = 0;
  let fault2;
  let resume = 0;
  let timer;
  let [clock, wall, mono] = [0, env.Date.now(), env.performance.now()];
  let news;
  let channel;
  const now = () => {
    const [before, monoBefore] = [wall, mono];
    wall = env.Date.now();
    mono = env.performance.now();
    return clock += Math.max(wall - before, mono - monoBefore);
  };
  const left = (grant2) => grant2.until - now();
  const isSame = ({ session: { sub, sid } }) => held?.session.sub === sub && held.session.sid === sid;
  const usable = (grant2) => left(grant2) > lead(grant2) / 6;
  const due = () => held ? left(held) - lead(held) * (1 + held.jitter / 4) : 0;
  const pausing = () => resume - now();
  const wanted = () => (held ?? (!known && fault2)) && env.document.visibilityState !== "hidden";
  const sleep = (milliseconds) => new Promise((resolve) => {
    news = resolve;
    env.setTimeout(resolve, milliseconds);
  });
  const emit = (change) => {
    listeners.forEach((listener) => {
      try {
        listener(change);
      } catch (error) {
        env.reportError?.(error);
      }
    });
  };
  const tell = (message) => channel?.postMessage({ ...message, sent: env.Date.now() });
  const adopt = (grant2, own) => {
    const type = isSame(grant2) ? "refreshed" : "signed-in";
    held = { ...grant2, until: now() + grant2.lifetime, jitter: env.Math.random() };
    known = true;
    resume = failures = 0;
    fault2 = void 0;
    if (own && mode.shared)
      tell({ want: mode.want, grant: { ...grant2, refresh: void 0, idToken: void 0 } });
    emit({ type, session: grant2.session });
    arm();
    return held;
  };
  const signOut = (reason, elsewhere, sent = env.Date.now()) => {
    const had = held;
    endings += 1;
    ended = sent;
    held = null;
    known = true;
    arm();
    if (!elsewhere || !mode.shared)
      mode.forget().catch(() => void 0);
    if (!elsewhere && (had || reason === LOGOUT))
      tell({ over: reason });
    if (had)
      emit({ type: "signed-out", reason, elsewhere });
  };
  const failed = (error) => {
    const step = Math.min(1e3 * 2 ** failures, 6e4);
    failures += 1;
    const retryIn = Math.max(step / 2, Math.min(error.retryAfter ?? 0, LONGEST_WAIT)) + env.Math.random() * step / 2;
    resume = now() + retryIn;
    fault2 = error;
    emit({ type: "unavailable", error, retryIn });
    return error;
  };
  const renew = async (stale, before, waited) => {
    const announced = () => held && held !== stale && usable(held) && held;
    if (waited && !announced())
      await sleep(NEWS_PATIENCE);
    for (let again = false; ; again = true) {
      const other = announced();
      if (other)
        return other;
      if (endings !== before)
        throw new SignetError(SIGNED_OUT, LOGOUT);
      if (fault2 && pausing() > 0)
        throw fault2;
      const asked = now();
      try {
        const grant2 = await mode.renew(held?.session);
        await mode.keep(grant2);
        if (endings === before)
          return adopt({ ...grant2, lifetime: grant2.lifetime + asked - now() }, true);
        if (!closed)
          await mode.forget();
      } catch (error) {
        const sure = again || !await mode.doubts(stale !== null);
        if (endings !== before || announced())
          continue;
        if (!isSignedOut(error))
          throw failed(error);
        if (sure) {
          signOut(error.code, false);
          throw error;
        }
        await sleep(250 * (1 + env.Math.random()));
      }
    }
  };
  const refresh = (stale, before = endings) => refreshing ??= locked(env, mode.name, (waited) => renew(stale, before, waited)).finally(() => {
    refreshing = void 0;
    arm();
  });
  const refreshQuietly = () => {
    refresh(held).catch(() => void 0);
  };
  const arm = () => {
    env.clearTimeout(timer);
    if (refreshing || !wanted() || failures > ATTEMPTS || fault2?.kind === "refused")
      return;
    const wait = Math.max(due(), pausing());
    if (wait > 0)
      timer = env.setTimeout(arm, Math.min(wait, LONGEST_TIMER));
    else
      refreshQuietly();
  };
  const wake = ({ type, persisted }) => {
    if (type === "online" && fault2?.code === "no_answer")
      resume = 0;
    failures = 0;
    if (persisted && held)
      refreshQuietly();
    else
      arm();
  };
  const hear = (message) => {
    if ("over" in message) {
      if (mode.shared || message.over === LOGOUT) {
        if (!mode.shared && held)
          mode.end(false).catch(() => void 0);
        signOut(message.over, true, message.sent);
      }
    } else if (mode.shared && message.want === mode.want && message.sent > ended) {
      const lifetime = message.grant.lifetime + message.sent - env.Date.now();
      if (!held || !isSame(message.grant) || lifetime > left(held))
        adopt({ ...message.grant, lifetime }, false);
    }
    news?.();
  };
  const begin = async () => {
    const grant2 = await mode.begin();
    if (grant2) {
      await mode.keep(grant2);
      if (!closed)
        adopt(grant2, true);
    }
  };
  const ready = async () => {
    await (begun ??= begin());
    try {
      if (!known)
        await refresh(null);
    } catch (error) {
      if (!isSignedOut(error))
        throw error;
    }
    return held?.session ?? null;
  };
  const grant = async ({ refresh: fresh = false } = {}) => {
    if (!known)
      await ready();
    const mine = held;
    if (!mine)
      throw new SignetError(SIGNED_OUT, "login_required");
    if (!fresh && usable(mine)) {
      if (due() <= 0 && pausing() <= 0)
        refreshQuietly();
      return mine;
    }
    return refresh(mine);
  };
  const open = env.BroadcastChannel;
  try {
    channel = open && new open(mode.name);
    if (channel)
      channel.onmessage = ({ data }) => hear(data);
  } catch {
  }
  for (const type of WAKERS)
    env.addEventListener(type, wake);
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
      next: async ({ token }) => held?.token === token ? refresh(held) : held,
      stepUp: (url, asked) => emit({ type: "step-up", url, ...asked })
    }),
    signIn: async (options = {}) => {
      const error = mode.error();
      if (error && options.prompt === "none")
        throw error;
      await mode.leave(options);
    },
    logout: async ({ everywhere = false } = {}) => {
      try {
        await mode.end(everywhere);
      } catch (error) {
        if (!isSignedOut(error))
          throw error;
        signOut(error.code, false);
        if (everywhere)
          throw error;
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
      channel = void 0;
      for (const type of WAKERS)
        env.removeEventListener(type, wake);
      signOut("", true);
    }
  };
}
function exactOrigin(text) {
  if (new URL(text).origin !== text)
    throw new TypeError(text);
  return text;
}
function lead({ lifetime }) {
  return Math.min(Math.max(3e4, lifetime / 10), lifetime / 2);
}
function isSignedOut(error) {
  return error.kind === SIGNED_OUT;
}

// dist/environment.js
var BROWSER = globalThis;

// dist/leaving.js
function form(fields) {
  return new URLSearchParams(JSON.parse(JSON.stringify(fields)));
}
function withQuery(base, { prompt, loginHint, maxAge, acrValues }, fields) {
  const query = form({ ...fields, prompt, login_hint: loginHint, max_age: maxAge, acr_values: acrValues });
  return `${base}${base.includes("?") ? "&" : "?"}${query}`;
}
function takeError(env) {
  const url = new URL(env.location.href);
  const query = url.searchParams;
  const error = query.get("error");
  if (error === null)
    return null;
  const description = query.get("error_description") ?? void 0;
  query.delete("error");
  query.delete("error_description");
  goTo(env, url.href);
  return new SignetError(error === "login_required" ? "signed-out" : "refused", error, description);
}
function goTo(env, url) {
  env.history.replaceState(env.history.state, "", url);
}
var BOUNCE = 5e3;
var STABLE = 6e4;
var BOUNCES = 3;
function guard(env, name) {
  const key = `${name}:loops`;
  const read = () => JSON.parse(env.sessionStorage.getItem(key) ?? "[0,0]");
  return {
    /** The page leaves. `from`: the session that a step-up is to improve. */
    count(from) {
      const [bounces, last, before] = read();
      const now = env.Date.now();
      const proof = from && `${from.auth_time} ${from.acr}`;
      const next = now - last < (proof && proof === before ? STABLE : BOUNCE) ? bounces + 1 : 1;
      if (next > BOUNCES) {
        env.sessionStorage.removeItem(key);
        throw new SignetError("refused", "sign_in_loop", "Back and nothing has changed: is the cookie blocked, or does an API ask for too much?");
      }
      env.sessionStorage.setItem(key, JSON.stringify([next, now, proof]));
    },
    /** A session came. Of a step-up that says nothing: there was one before. */
    arrived() {
      if (!read()[2])
        env.sessionStorage.removeItem(key);
    }
  };
}

// dist/cookie.js
function cookieClient(options) {
  const env = options.environment ?? BROWSER;
  const { clientId, scope, resource } = options;
  const host = exactOrigin(options.host ?? new URL(env.location.href).origin);
  const name = `signet-refresh:${host}${clientId}`;
  const loops = guard(env, name);
  let returned = null;
  const post = (path, body) => ask(env, host + path, {
    method: "POST",
    credentials: "include",
    headers: { "Content-Type": "application/json", "X-Signet-Request": "1" },
    body: JSON.stringify({ client_id: clientId, ...body })
  });
  const made = client({
    name,
    want: `${scope ?? ""} ${resource ?? ""}`,
    shared: true,
    begin: async () => {
      returned = takeError(env);
      return null;
    },
    renew: async (known) => grantOf(await post("/refresh", { scope, resource }), known),
    keep: async () => void 0,
    doubts: async (held) => held,
    forget: async () => void 0,
    end: async (everywhere) => void await post(`/session/logout${everywhere ? "_all" : ""}`, {}),
    error: () => returned,
    leave: async (asked) => {
      loops.count(made.session);
      const here = new URL(env.location.href);
      const back = asked.returnTo ?? options.returnTo ?? here.origin + here.pathname;
      env.location.assign(withQuery(`${host}/session/start`, asked, { client_id: clientId, return_to: back, scope, resource }));
    }
  }, options.apis, env);
  made.onChange(({ type }) => {
    if (type === "signed-in")
      loops.arrived();
  });
  return made;
}

// dist/token.js
var LEEWAY = 300;
function tokenClient(options) {
  const env = options.environment ?? BROWSER;
  const { issuer, clientId, redirectUri, resource, scope = "openid" } = options;
  const name = `signet-refresh:${issuer}${clientId}`;
  const base = issuer.replace(/\/$/, "");
  const store = options.store ?? memory();
  let returned = null;
  let sent;
  let metadata;
  const random = () => env.crypto.randomUUID() + env.crypto.randomUUID();
  const discover = async () => {
    metadata ??= await ask(env, `${base}/.well-known/openid-configuration`);
    if (metadata.issuer !== issuer)
      throw refused("wrong_issuer");
    return metadata;
  };
  const post = (url, fields) => ask(env, url, { method: "POST", body: form({ ...fields, client_id: clientId }) });
  const token = async (fields) => post((await discover()).token_endpoint, { ...fields, resource });
  const checkId = (answer, holds) => {
    const { iss, aud, exp, ...claims } = claimsOf(answer["id_token"]) ?? {};
    const lives = Number(exp) + LEEWAY > env.Date.now() / 1e3;
    if (iss !== issuer || [aud].flat().join() !== clientId || !lives || !holds(claims))
      throw refused("bad_id_token");
  };
  const finish = async () => {
    const { href } = env.location;
    const query = new URL(href).searchParams;
    const [state, code, error] = [query.get("state"), query.get("code"), query.get("error")];
    if (!href.startsWith(redirectUri) || !state || !(code ?? error))
      return null;
    const transaction = JSON.parse(env.sessionStorage.getItem(name) ?? "{}");
    env.sessionStorage.removeItem(name);
    goTo(env, transaction.back ?? redirectUri);
    if (transaction.state !== state)
      throw refused("wrong_state");
    if (query.get("iss") !== issuer)
      throw refused("wrong_issuer");
    if (!code)
      throw refused(error, query.get("error_description") ?? void 0);
    const answer = await token({
      grant_type: "authorization_code",
      code,
      redirect_uri: redirectUri,
      code_verifier: transaction.verifier
    });
    checkId(answer, ({ nonce }) => nonce === transaction.nonce);
    await store.remove();
    return grantOf(answer, void 0);
  };
  return client({
    name,
    want: `${scope} ${resource ?? ""}`,
    // Without a common store every tab has a session of its own, and its token stays there.
    shared: options.store !== void 0,
    begin: async () => {
      try {
        return await finish();
      } catch (error) {
        returned = error;
        return null;
      }
    },
    renew: async (known) => {
      const stored = await store.get();
      sent = stored?.refresh;
      if (!stored || !sent)
        throw new SignetError("signed-out", "login_required");
      const session = known ?? stored.session;
      const answer = await token({ grant_type: "refresh_token", refresh_token: sent });
      if (answer["id_token"] !== void 0)
        checkId(answer, ({ sub }) => sub === session.sub);
      return grantOf(answer, session);
    },
    keep: async ({ refresh, session, idToken }) => {
      const kept = await store.get();
      const next = refresh ?? kept?.refresh;
      if (next)
        await store.set({ refresh: next, session, idToken: idToken ?? kept?.idToken });
    },
    // A refused token is never sent again; another tab may have put a newer one into the store.
    doubts: async () => ((await store.get())?.refresh ?? sent) !== sent,
    forget: async () => store.remove(),
    end: async (everywhere) => {
      const stored = await store.get();
      const { revocation_endpoint: url } = await discover();
      if (stored && url)
        await post(url, { token: stored.refresh, token_type_hint: "refresh_token" });
      if (everywhere)
        env.location.assign(`${base}/logout`);
    },
    error: () => returned,
    leave: async (asked) => {
      const { authorization_endpoint: endpoint } = await discover();
      const { pathname, search, hash } = new URL(asked.returnTo ?? "", env.location.href);
      const [state, nonce, verifier] = [random(), random(), random()];
      const digest = await env.crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
      const transaction = { state, nonce, verifier, back: pathname + search + hash };
      const url = withQuery(endpoint, asked, {
        response_type: "code",
        client_id: clientId,
        redirect_uri: redirectUri,
        scope,
        state,
        nonce,
        code_challenge: base64url(digest),
        code_challenge_method: "S256",
        resource
      });
      env.sessionStorage.setItem(name, JSON.stringify(transaction));
      env.location.assign(url);
    }
  }, options.apis, env);
}
function memory() {
  let held = null;
  return {
    get: () => held,
    set: (stored) => {
      held = stored;
    },
    remove: () => {
      held = null;
    }
  };
}
function refused(code, description) {
  return new SignetError("refused", code, description);
}
function base64url(data) {
  return btoa(String.fromCharCode(...new Uint8Array(data))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}
export {
  cookieClient,
  tokenClient
};
