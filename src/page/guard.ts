/**
 * Accepts requests only from the page's own browser tab.
 *
 * The key in the address is what other users, other pages and other programs do not know. A page of another origin
 * that a name of its own leads here (DNS rebinding) is known by `Host`; one that sends requests, by `Origin` and
 * `Sec-Fetch-Site`. And the kernel says whose socket it is.
 *
 * @module
 */
import { tcpUser } from "../posix/net/socket_diagnostics.ts";
import { effectiveUser } from "../posix/users.ts";
import { sameSecret } from "../wire/records.ts";

const encoder = new TextEncoder();

/** Lets requests pass, or not. */
export class Guard {
  /** The key in the address: 128 random bits. */
  readonly key: string = crypto.getRandomValues(new Uint8Array(16)).toHex();
  readonly #bytes = encoder.encode(this.key);

  /**
   * The requested path below the key.
   *
   * @param from Where the request comes from.
   * @param own Where it came to.
   * @returns The path, such as `/live`; null for whoever is to get nothing.
   */
  path(
    request: Request,
    from: Deno.NetAddr,
    own: Deno.NetAddr,
  ): string | null {
    const { pathname } = new URL(request.url);
    const [, key = "", rest] = /^\/([^/]*)(\/.*)$/.exec(pathname) ?? [];
    const isKnown = sameSecret(encoder.encode(key), this.#bytes);
    if (!isKnown || !isOwn(request.headers, own.port)) return null;
    const user = tcpUser(from, own);
    return user === null || user === effectiveUser() ? rest ?? null : null;
  }
}

/** Whether a request was made to this server by its name, and by no page of another's. */
function isOwn(headers: Headers, port: number): boolean {
  const host = headers.get("host");
  const origin = headers.get("origin");
  const site = headers.get("sec-fetch-site");
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  return host !== null && hosts.includes(host) &&
    (origin === null || origin === `http://${host}`) &&
    (site === null || site === "none" || site === "same-origin");
}
