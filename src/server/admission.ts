/**
 * Decides whether a connection may be served, in the parent, before it uses a process.
 *
 * What limits all connections together (`maxConnections`, `rate`) can leave them in the backlog until
 * there is room. What limits one source cannot: who waits in the backlog is not known, and one source
 * would hold up all others there. It refuses.
 *
 * How often something may happen: token buckets.
 *
 * A bucket holds `burst` tokens and gets `count` new ones every `per` milliseconds, evenly; each time
 * takes one. All that is kept of a bucket is when it will be full again, so that one which is full is the
 * same as none (this form is known as GCRA). Times are on the clock of `performance.now()`.
 *
 * @module
 */
import type { RefusalReason } from "./events.ts";
import { maskIp, type Network, NetworkTable } from "./networks.ts";

interface Rate {
  /** So many times … */
  readonly count: number;
  /** … in so many milliseconds, … */
  readonly per: number;
  /** … and so many at once after a while without. */
  readonly burst: number;
}

/** Sums of fractions are not exact: a token that lacks a billionth is one. */
const TOLERANCE = 1e-6;

/** How long until a bucket that will be full at some time has a token, in milliseconds. */
function waitForToken(fullAt: number, now: number, rate: Rate): number {
  const interval = rate.per / rate.count;
  const wait = fullAt - now - (rate.burst - 1) * interval;
  return wait <= TOLERANCE ? 0 : wait;
}

/** When it will be full after a token was taken. */
function takeToken(fullAt: number, now: number, rate: Rate): number {
  return Math.max(fullAt, now) + rate.per / rate.count;
}

export class TokenBucket {
  readonly #rate: Rate;
  #fullAt = 0;

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** How long until there is a token. Returns milliseconds; 0 when there is one. */
  wait(now: number): number {
    return waitForToken(this.#fullAt, now, this.#rate);
  }

  take(now: number): void {
    this.#fullAt = takeToken(this.#fullAt, now, this.#rate);
  }
}

/** A bucket for each of many, of which only those that are not full are kept. */
export class TokenBuckets {
  readonly #rate: Rate;
  readonly #most: number;
  /** When each will be full, in the order in which tokens were last taken. */
  readonly #fullAt = new Map<string, number>();

  constructor(rate: Rate, most: number) {
    this.#rate = rate;
    this.#most = most;
  }

  get size(): number {
    return this.#fullAt.size;
  }

  /** How long until there is a token. Returns milliseconds; 0 when there is one. */
  wait(key: string, now: number): number {
    return waitForToken(this.#fullAt.get(key) ?? 0, now, this.#rate);
  }

  take(key: string, now: number): void {
    const fullAt = takeToken(this.#fullAt.get(key) ?? 0, now, this.#rate);
    this.#fullAt.delete(key);
    this.#fullAt.set(key, fullAt);
    if (this.#fullAt.size <= this.#most) return;
    const [oldest] = this.#fullAt.keys();
    this.#fullAt.delete(oldest!);
  }

  /** Forgets those that are full. */
  sweep(now: number): void {
    for (const [key, fullAt] of this.#fullAt) {
      if (fullAt <= now) this.#fullAt.delete(key);
    }
  }
}

export interface AdmissionOptions {
  /** Connections at a time; Infinity for no limit. */
  readonly maxConnections: number;
  /** The treatment of connections beyond that or beyond `rate`: they wait in the backlog, or are refused. */
  readonly overload: "wait" | "refuse";
  /** Connections of one source at a time; Infinity for no limit. */
  readonly maxPerSource: number;
  /** How many bits of an address make its source. */
  readonly sourcePrefix: { readonly ipv4: number; readonly ipv6: number };
  /** How fast connections may come; undefined for no limit. */
  readonly rate?: Rate | undefined;
  /** How fast connections of one source may come; undefined for no limit. */
  readonly ratePerSource?: Rate | undefined;
  /** Networks that may connect. If it is empty, all networks that are not in `deny`. */
  readonly allow: readonly Network[];
  /** Networks that may not. If both lists have an address, the more specific network wins; `deny` wins a tie. */
  readonly deny: readonly Network[];
  /** Networks exempt from all limits and counts. `deny` still applies to them. */
  readonly exempt: readonly Network[];
}

/** The slot of an admitted connection, until it is released. */
export interface Ticket {
  /** Whether it counts among all connections. */
  counts: boolean;
  /** The source among whose connections it counts; null for none. */
  source: string | null;
}

/** The number of sources whose rate is remembered; an attacker may have more addresses than we have memory. */
const MOST_SOURCES = 65_536;

/** Decides, and counts the admitted connections. */
export class Admission {
  /** Whether any limit depends on the client's address; otherwise nobody needs to look it up. */
  readonly mindsSources: boolean;
  readonly #options: AdmissionOptions;
  readonly #limitsSources: boolean;
  readonly #access = new NetworkTable<"allow" | "deny">();
  readonly #exempt = new NetworkTable<true>();
  readonly #rate: TokenBucket | undefined;
  readonly #ratePerSource: TokenBuckets | undefined;
  /** How many connections each source has, of those that have any. */
  readonly #sources = new Map<string, number>();
  #active = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const { rate, ratePerSource, allow, deny, exempt } = options;
    for (const network of allow) this.#access.set(network, "allow");
    for (const network of deny) this.#access.set(network, "deny");
    for (const network of exempt) this.#exempt.set(network, true);
    if (rate) this.#rate = new TokenBucket(rate);
    if (ratePerSource) {
      this.#ratePerSource = new TokenBuckets(ratePerSource, MOST_SOURCES);
    }
    this.#limitsSources = options.maxPerSource < Infinity ||
      this.#ratePerSource !== undefined;
    this.mindsSources = this.#limitsSources ||
      [allow, deny, exempt].some((networks) => networks.length > 0);
  }

  /** How many connections are in, of those that count. */
  get active(): number {
    return this.#active;
  }

  /** How many sources something is remembered of. */
  get sources(): number {
    return Math.max(this.#sources.size, this.#ratePerSource?.size ?? 0);
  }

  /**
   * How long connections must be left in the backlog. `now`: the time, as all times here on the clock of
   * `performance.now()`. Returns milliseconds; 0 when one may be taken; Infinity until a ticket is given back.
   */
  wait(now: number): number {
    if (this.#options.overload === "refuse") return 0;
    if (this.#active >= this.#options.maxConnections) return Infinity;
    return this.#rate?.wait(now) ?? 0;
  }

  /**
   * Decides about a connection. `ip`: the client's address: 4 or 16 bytes; null for one that has none, as on a Unix
   * socket, and where {@linkcode mindsSources} is false. Returns its ticket, for {@linkcode release}; or why it is
   * refused.
   */
  admit(
    ip: Uint8Array<ArrayBuffer> | null,
    now: number,
  ): Ticket | RefusalReason {
    const ticket: Ticket = { counts: false, source: null };
    const refusal = this.check(ip, now) ??
      (this.#isExempt(ip) ? null : this.#checkAll(now));
    if (refusal !== null) return refusal;
    if (!this.#isExempt(ip)) this.#count(ticket, now);
    this.#countSource(ticket, ip, now);
    return ticket;
  }

  /**
   * Decides about a connection whose client is not known yet, since a proxy speaks for it: by what limits all
   * together alone. {@linkcode identify} follows. Returns its ticket; or why it is refused.
   */
  admitUnidentified(now: number): Ticket | RefusalReason {
    const refusal = this.#checkAll(now);
    if (refusal !== null) return refusal;
    const ticket: Ticket = { counts: false, source: null };
    this.#count(ticket, now);
    return ticket;
  }

  /** Decides about it again when its client is known. Returns null when it may be served; else why it is refused. */
  identify(
    ticket: Ticket,
    ip: Uint8Array<ArrayBuffer> | null,
    now: number,
  ): RefusalReason | null {
    const refusal = this.check(ip, now);
    if (refusal !== null) return refusal;
    if (this.#isExempt(ip)) this.release(ticket);
    this.#countSource(ticket, ip, now);
    return null;
  }

  /**
   * Whether a source may have one more connection, as far as it alone is concerned; nothing is counted. Returns null
   * when it may; else why not.
   */
  check(
    ip: Uint8Array<ArrayBuffer> | null,
    now: number,
  ): RefusalReason | null {
    if (ip === null) return null;
    const { allow, maxPerSource } = this.#options;
    const access = this.#access.find(ip) ??
      (allow.length > 0 ? "deny" : "allow");
    if (access === "deny") return "denied";
    if (!this.#limitsSources || this.#isExempt(ip)) return null;
    const source = this.#sourceOf(ip);
    if ((this.#sources.get(source) ?? 0) >= maxPerSource) {
      return "max-per-source";
    }
    const late = this.#ratePerSource?.wait(source, now) ?? 0;
    return late > 0 ? "rate-per-source" : null;
  }

  /** Gives a ticket back; again is harmless. */
  release(ticket: Ticket): void {
    if (ticket.counts) this.#active--;
    ticket.counts = false;
    if (ticket.source === null) return;
    const left = this.#sources.get(ticket.source)! - 1;
    if (left > 0) this.#sources.set(ticket.source, left);
    else this.#sources.delete(ticket.source);
    ticket.source = null;
  }

  /** Forgets sources of which nothing needs to be remembered. */
  sweep(now: number): void {
    this.#ratePerSource?.sweep(now);
  }

  #checkAll(now: number): RefusalReason | null {
    if (this.#active >= this.#options.maxConnections) return "max-connections";
    return (this.#rate?.wait(now) ?? 0) > 0 ? "rate" : null;
  }

  #count(ticket: Ticket, now: number): void {
    this.#active++;
    this.#rate?.take(now);
    ticket.counts = true;
  }

  #countSource(
    ticket: Ticket,
    ip: Uint8Array<ArrayBuffer> | null,
    now: number,
  ): void {
    if (!this.#limitsSources || ip === null || this.#isExempt(ip)) return;
    const source = this.#sourceOf(ip);
    this.#ratePerSource?.take(source, now);
    this.#sources.set(source, (this.#sources.get(source) ?? 0) + 1);
    ticket.source = source;
  }

  #isExempt(ip: Uint8Array<ArrayBuffer> | null): boolean {
    return ip !== null && this.#exempt.find(ip) === true;
  }

  #sourceOf(ip: Uint8Array<ArrayBuffer>): string {
    const { ipv4, ipv6 } = this.#options.sourcePrefix;
    return maskIp(ip, ip.length === 4 ? ipv4 : ipv6).toHex();
  }
}
