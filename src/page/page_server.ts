/**
 * `mpserv page`: a server on this machine's own address for one page that shows a running server. It tells, and
 * changes nothing.
 *
 * @module
 */
import { tcpUser } from "../posix/net/socket_diagnostics.ts";
import { effectiveUser } from "../posix/users.ts";
import { sameSecret } from "../wire/records.ts";
import { readDocument, readSource } from "./document.ts";
import { Live } from "./live.ts";
import { measure, readMeasurePlan } from "./measured.ts";

interface PageOptions {
  /** The control socket of the server that is shown. */
  readonly control: string;
  /** The port; 0 for a free one. */
  readonly port: number;
}

/** A page that is served, until it is disposed of. */
interface ServedPage extends AsyncDisposable {
  /** Where it is, with its key. */
  readonly url: string;
}

/** How long answers that are under way have at the end, in milliseconds. */
const LAST = 1_000;
const HEADERS = {
  "cache-control": "no-store",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Serves the page. Throws `Error` when the port cannot be had. */
export async function servePage(
  { control, port }: PageOptions,
): Promise<ServedPage> {
  const { html, policy } = await readDocument();
  const guard = new Guard();
  const shown = new Set<Live>();
  let isMeasuring = false;

  const answer = async (
    request: Request,
    path: string | null,
  ): Promise<Response> => {
    switch (`${request.method} ${path}`) {
      case "GET /":
        return new Response(html, {
          headers: {
            ...HEADERS,
            "content-type": "text/html; charset=utf-8",
            "content-security-policy": policy,
          },
        });
      case "GET /live": {
        const live = new Live(control);
        shown.add(live);
        void live.over.then(() => shown.delete(live));
        return plain(live.readable, "text/event-stream");
      }
      case "POST /measure": {
        const plan = readMeasurePlan(await request.json().catch(() => null));
        if (plan === null) return nothing(400);
        if (isMeasuring) return nothing(409);
        isMeasuring = true;
        const over = () => isMeasuring = false;
        return plain(measure(control, plan, over), "application/x-ndjson");
      }
    }
    const source = request.method === "GET" ? await readSource(path) : null;
    return source === null ? nothing(404) : plain(source, "text/plain");
  };

  const server: Deno.HttpServer<Deno.NetAddr> = Deno.serve(
    { hostname: "127.0.0.1", port, onListen() {}, onError: () => nothing(500) },
    async (request, { remoteAddr }) => {
      const from = remoteAddr as Deno.NetAddr;
      return await answer(request, guard.path(request, from, server.addr));
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/${guard.key}/`,
    async [Symbol.asyncDispose]() {
      for (const live of shown) live.stop();
      // A measurement that is under way ends with this process.
      await Promise.race([server.shutdown(), sleep(LAST)]);
    },
  };
}

function sleep(milliseconds: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  Deno.unrefTimer(setTimeout(resolve, milliseconds));
  return promise;
}

function plain(body: BodyInit, type: string): Response {
  const headers = { ...HEADERS, "content-type": `${type}; charset=utf-8` };
  return new Response(body, { headers });
}

function nothing(status: number): Response {
  return new Response(null, { status, headers: HEADERS });
}

/**
 * Lets only the page's own browser tab pass.
 *
 * The key in the address is what other users, other pages and other programs do not know. A page of another origin
 * that a name of its own leads here (DNS rebinding) is known by `Host`; one that sends requests, by `Origin` and
 * `Sec-Fetch-Site`. And the kernel says whose socket it is.
 */
export class Guard {
  /** The key in the address: 128 random bits. */
  readonly key: string = crypto.getRandomValues(new Uint8Array(16)).toHex();
  readonly #bytes = new TextEncoder().encode(this.key);

  /** The requested path below the key, such as `/live`; null for whoever is to get nothing. `own`: where it came to. */
  path(
    request: Request,
    from: Deno.NetAddr,
    own: Deno.NetAddr,
  ): string | null {
    const { pathname } = new URL(request.url);
    const [, key = "", rest] = /^\/([^/]*)(\/.*)$/.exec(pathname) ?? [];
    const isKnown = sameSecret(new TextEncoder().encode(key), this.#bytes);
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
