/**
 * Running in the zygote what children will run, so that they inherit compiled code.
 *
 * @module
 */
import type { Fd } from "../posix/fd.ts";
import { read, write } from "../posix/io.ts";
import { shutdownWrite, socketPair } from "../posix/sockets.ts";
import type { LoadedService } from "../service/load.ts";
import type { Connection } from "../service/service.ts";
import type { ChildOptions } from "./options.ts";
import { serveOne } from "./serve_one.ts";
import { done, took } from "./tell.ts";
import { encodeReport } from "./wire.ts";

const ROUNDS = { synchronous: 100, asynchronous: 20 };
const SOCK_STREAM = 1;

/**
 * Serves a few connections to itself. A person's handler is loaded, but not called without a client:
 * what it uses of a connection is exercised in its place.
 *
 * @param service What children will run.
 * @param options How to serve.
 * @returns Resolves when all is warm. It must not take 500 ms: Deno then starts a thread for signals.
 */
export async function warmUp(
  service: LoadedService,
  options: ChildOptions,
): Promise<void> {
  const { asynchronous } = service;
  const echo = asynchronous
    ? echoLater
    : (await import("../service/echo.ts")).echo;
  const bytes = new TextEncoder().encode("warm\n");
  const peer = new Uint8Array(16);
  const rounds = asynchronous ? ROUNDS.asynchronous : ROUNDS.synchronous;
  for (let id = 1; id <= rounds; id++) {
    const [client, server]: [Fd, Fd] = socketPair(SOCK_STREAM);
    write(client.number, bytes);
    shutdownWrite(client.number);
    encodeReport(took(id));
    const handover = { kind: "connection", id, peer } as const;
    const served = serveOne(echo, server, handover, options.idleTimeout);
    encodeReport(done(id, served instanceof Promise ? await served : served));
    read(client.number, bytes);
    client.close();
  }
}

async function echoLater(connection: Connection): Promise<void> {
  if (connection.id % 2 === 0) {
    return await connection.readable.pipeTo(connection.writable);
  }
  const buffer = new Uint8Array(1024);
  for (let count; (count = await connection.read(buffer)) !== null;) {
    await connection.write(buffer.subarray(0, count));
  }
}

/**
 * Random generators beyond the built-in ones that a service's modules may have used before the fork,
 * and that keep numbers ready: those of `node:crypto`.
 *
 * @param service What children will run.
 * @returns What draws from them.
 */
export async function generatorsOf(
  service: LoadedService,
): Promise<(() => string)[]> {
  if (!service.asynchronous) return []; // no built-in service uses them
  const { randomUUID, randomBytes } = await import("node:crypto");
  return [() => randomUUID(), () => randomBytes(4).toString("hex")];
}
