/** A bounded map whose oldest member makes room, and whose members end. */

/** Members end at a reading of the caller's clock. */
export class Cache<V> {
  readonly #most: number;
  readonly #members = new Map<string, { value: V; ends: number }>();

  /** @param most how many members are kept */
  constructor(most: number) {
    this.#most = most;
  }

  get(key: string, now: number): V | undefined {
    const member = this.#members.get(key);
    if (!member) return undefined;
    this.#members.delete(key);
    if (member.ends <= now) return undefined;
    // What was used last goes last.
    this.#members.set(key, member);
    return member.value;
  }

  set(key: string, value: V, ends: number): void {
    this.#members.delete(key);
    if (this.#most === 0) return;
    if (this.#members.size >= this.#most) {
      const oldest = this.#members.keys().next();
      if (!oldest.done) this.#members.delete(oldest.value);
    }
    this.#members.set(key, { value, ends });
  }

  delete(key: string): void {
    this.#members.delete(key);
  }

  get size(): number {
    return this.#members.size;
  }
}
