/**
 * Serving one connection, whatever the process model: from the descriptor to the outcome.
 *
 * @module
 */
import type { Fd } from "../posix/fd.ts";
import { markAs } from "../posix/mark.ts";
import type { Program } from "../service/program.ts";
import type { AnyService } from "../service/service.ts";
import { FdConnection } from "./connection.ts";
import { describeError } from "./describe_error.ts";
import type { ChildOptions } from "./options.ts";
import { programMemory, type Standing, takeStanding } from "./standing.ts";
import { stopSignal } from "./stop_signal.ts";
import { untilUncaught } from "./uncaught.ts";
import type { Handover, Outcome, Reason } from "./wire.ts";

/**
 * Serves a connection and closes it.
 *
 * @param service What to do with it. A program takes the place of this process: then this returns
 *   only when it could not be run.
 * @param fd The connection; closed when this returns.
 * @param handover What came with it.
 * @param options How to serve.
 * @returns How it ended; at once where the service is synchronous, so that nothing waits for an
 *   event loop.
 */
export function serveOne(
  service: AnyService | Program,
  fd: Fd,
  handover: Handover,
  options: Pick<
    ChildOptions,
    "idleTimeout" | "firstByteTimeout" | "standing" | "isMarked"
  >,
): Outcome | Promise<Outcome> {
  const { idleTimeout, firstByteTimeout, standing } = options;
  if (options.isMarked) markAs(handover.id);
  if (typeof service !== "function") {
    return become(service, fd, handover, standing);
  }
  const connection = new FdConnection(fd, handover, {
    idleTimeout,
    firstByteTimeout,
    stop: stopSignal,
  });
  try {
    if (standing) takeStanding(standing, false);
  } catch (error) {
    connection.close();
    return refusal(error as Error);
  }
  try {
    const served = service(connection);
    if (!(served instanceof Promise)) return end(connection, null);
    return untilUncaught(served).then(
      () => end(connection, null),
      (error) => end(connection, error),
    );
  } catch (error) {
    return end(connection, error);
  }
}

function become(
  program: Program,
  fd: Fd,
  { id, peer }: Handover,
  standing: Standing | undefined,
): Outcome {
  try {
    return program.become(fd, { id, peer }, {
      first: () => standing && takeStanding(standing, true),
      last: standing && programMemory(standing),
    });
  } catch (error) {
    return refusal(error as Error);
  }
}

/** The outcome of a connection that nothing was done with. */
function refusal({ message }: Error): Outcome {
  return { bytesIn: 0, bytesOut: 0, reason: "error", text: message };
}

function end(connection: FdConnection, error: unknown): Outcome {
  if (error === null) connection.finish();
  connection.close();
  const { bytesIn, bytesOut } = connection;
  const reason = error === null ? "closed" : reasonOf(error, connection);
  const text = reason === "error" ? describeError(error) : "";
  return { bytesIn, bytesOut, reason, text };
}

function reasonOf(error: unknown, { exceeded }: FdConnection): Reason {
  if (error instanceof Deno.errors.TimedOut) return exceeded ?? "idle";
  const gone = error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected;
  return gone ? "reset" : "error";
}
