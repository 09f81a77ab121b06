// A browser without scripts: cookies, redirects, forms. Enough to sign in and to consent.
import { issuer, users } from "./server.mjs";

export class Browser {
  #cookies = new Map();

  /** One request. Redirects are the caller's business. */
  async request(url, fields) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, {
      method: fields ? "POST" : "GET",
      body: fields && new URLSearchParams(fields),
      headers: { ...(cookie && { cookie }), ...(fields && { origin: issuer }) },
      redirect: "manual",
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (/;\s*max-age=0/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }

  /**
   * Follows an authorization request to its end: signs in where asked, consents where asked.
   * Returns the address with the answer (or the request with it, in response mode form_post), and which forms were met
   * on the way.
   */
  async authorize(url, { user = users.alice, consent = "approve" } = {}) {
    const met = [];
    let response = await this.request(String(url));
    for (let step = 0; step < 10; step += 1) {
      const location = response.headers.get("location");
      if (location) {
        const next = new URL(location, issuer);
        if (next.origin !== issuer) return { answer: next, met };
        response = await this.request(next);
        continue;
      }
      const html = await response.text();
      const sent = formElsewhere(html);
      if (sent) return { answer: sent, met };
      const form = /<form id="(login|consent)-form"/.exec(html)?.[1];
      if (!form || response.status !== 200) throw new Error(`no form to fill in: ${response.status}\n${html}`);
      met.push(form);
      const answers = form === "login"
        ? { username: user.name, password: user.password, action: "login" }
        : { action: consent };
      response = await this.request(`${issuer}/${form}`, { ...hiddenFields(html), ...answers });
    }
    throw new Error("the sign-in does not end");
  }
}

/** The request that a page's form makes to another origin (OAuth 2.0 Form Post Response Mode §2). */
function formElsewhere(html) {
  const action = /<form[^>]* action="(https?:[^"]+)"/.exec(html)?.[1];
  if (!action || new URL(unescaped(action)).origin === issuer) return undefined;
  return new Request(unescaped(action), { method: "POST", body: new URLSearchParams(hiddenFields(html)) });
}

/** The hidden fields of a page. */
export function hiddenFields(html) {
  const inputs = html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g);
  return Object.fromEntries([...inputs].map(([, name, value]) => [name, unescaped(value)]));
}

/** A text as it was before it was escaped for HTML. */
function unescaped(text) {
  const named = { amp: "&", lt: "<", gt: ">", quot: '"' };
  return text.replace(/&(?:#x([0-9a-f]+)|#([0-9]+)|([a-z]+));/gi, (_, hex, decimal, name) =>
    name ? named[name] : String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal)));
}
