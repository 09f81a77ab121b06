/** What the client uses of the browser: a part of `globalThis`, which is the default. Tests put their own in its place. */

/** The part of `BroadcastChannel` that is used. */
export interface Channel {
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** The part of `LockManager` that is used. */
export interface Locks {
  request<T>(name: string, options: { signal: AbortSignal }, run: () => Promise<T>): Promise<T>;
}

/** Time, chance, network and page. */
export interface Environment {
  readonly fetch: typeof fetch;
  readonly Date: { now(): number };
  readonly performance: { now(): number };
  readonly Math: { random(): number };
  setTimeout(run: () => void, milliseconds: number): number;
  clearTimeout(timer: number | undefined): void;
  readonly location: { readonly href: string; assign(url: string): void };
  readonly history: { readonly state: unknown; replaceState(state: unknown, unused: string, url: string): void };
  readonly document: { readonly visibilityState: string; readonly baseURI: string };
  readonly sessionStorage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  readonly navigator: { readonly locks?: Locks };
  readonly crypto: { randomUUID(): string; readonly subtle: Pick<SubtleCrypto, "digest"> };
  readonly BroadcastChannel?: new (name: string) => Channel;
  addEventListener(type: string, listener: (event: Event) => void): void;
  removeEventListener(type: string, listener: (event: Event) => void): void;
  reportError?(error: unknown): void;
}

/** The browser itself. */
export const BROWSER = globalThis as unknown as Environment;
