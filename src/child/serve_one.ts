/**
 * Serving one connection, whatever the process model: from the descriptor to the outcome.
 *
 * @module
 */
import type { Fd } from "../posix/fd.ts";
import type { Service } from "../service/service.ts";
import { FdConnection } from "./connection.ts";
import { stopSignal } from "./stop_signal.ts";
import type { Handover, Outcome, Reason } from "./wire.ts";

/**
 * Serves a connection and closes it.
 *
 * @param service What to do with it.
 * @param fd The connection; closed when this returns.
 * @param handover What came with it.
 * @param idleTimeout Milliseconds; 0 for none.
 * @returns How it ended; at once where the service is synchronous, so that nothing waits for an
 *   event loop.
 */
export function serveOne(
  service: Service,
  fd: Fd,
  handover: Handover,
  idleTimeout: number,
): Outcome | Promise<Outcome> {
  const connection = new FdConnection(fd, handover, {
    idleTimeout,
    stop: stopSignal,
  });
  try {
    const served = service(connection);
    if (!(served instanceof Promise)) return end(connection, null);
    return served.then(
      () => end(connection, null),
      (error) => end(connection, error),
    );
  } catch (error) {
    return end(connection, error);
  }
}

function end(connection: FdConnection, error: unknown): Outcome {
  connection.close();
  const { bytesIn, bytesOut } = connection;
  const reason = error === null ? "closed" : reasonOf(error);
  const text = reason === "error" ? describe(error) : "";
  return { bytesIn, bytesOut, reason, text };
}

function reasonOf(error: unknown): Reason {
  if (error instanceof Deno.errors.TimedOut) return "idle";
  const gone = error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected;
  return gone ? "reset" : "error";
}

/** The error with the place that it came from, on one line. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = /\(?((?:file|data):[^\s()]+:\d+:\d+)\)?/.exec(error.stack ?? "")
    ?.[1];
  const text = `${error.name}: ${error.message}`.replaceAll(/\s+/g, " ");
  return place ? `${text} at ${place.replace("file://", "")}` : text;
}
