/**
 * Serving one connection, whatever the process model: from the descriptor to the outcome.
 *
 * @module
 */
import type { Fd } from "../posix/fd.ts";
import { markAs } from "../posix/mark.ts";
import type { Program } from "../service/program.ts";
import type { LoadedService } from "../service/load.ts";
import type { AnyService } from "../service/service.ts";
import {
  close,
  FdConnection,
  finish,
  isInUse,
  type Traffic,
  trafficOf,
} from "./connection.ts";
import { describeError } from "./describe_error.ts";
import type { ChildOptions } from "./options.ts";
import {
  programMemory,
  type Standing,
  takeIdentity,
  takeLimits,
} from "./standing.ts";
import { stopSignal } from "./stop_signal.ts";
import { untilUncaught } from "./uncaught.ts";
import {
  type Handover,
  type Outcome,
  type Reason,
  UNFINISHED,
} from "./wire.ts";

/**
 * Has a service of ours, which is to be synchronous, fail if it waits for something: forked, it would wait at an
 * event loop that its zygote has, too.
 *
 * @param service What served.
 * @param served What {@linkcode serveOne} returned.
 * @returns The same.
 * @throws {TypeError} When the service has not ended.
 */
export function endedIfDue<Served extends Outcome | Promise<Outcome>>(
  { asynchronous }: LoadedService,
  served: Served,
): Served {
  if (asynchronous || !(served instanceof Promise)) return served;
  throw new TypeError(
    "a service that is to be synchronous waits for something",
  );
}

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
  handover: Pick<Handover, "id" | "peer">,
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
    if (standing) takeLimits(standing, false);
  } catch (error) {
    close(connection);
    return refusal(error as Error);
  }
  try {
    const served = service(connection);
    if (!isThenable(served)) {
      refuseGenerator(served);
      return end(connection);
    }
    return untilUncaught(served).then(
      () => end(connection),
      (error) => fail(connection, error),
    );
  } catch (error) {
    return fail(connection, error);
  }
}

/** Whatever `await` waits for: a promise of any library's. */
function isThenable(served: unknown): served is PromiseLike<unknown> {
  return served !== null && served !== undefined &&
    typeof (served as PromiseLike<unknown>).then === "function";
}

/** A generator that a handler returned is one of whose code nothing has run. */
function refuseGenerator(served: unknown): void {
  if (typeof served !== "object" || served === null) return;
  const kind = Object.prototype.toString.call(served);
  if (!/^\[object (Async)?Generator\]$/.test(kind)) return;
  throw new TypeError(
    "the handler returned a generator, which nobody runs: make it an async function",
  );
}

function become(
  program: Program,
  fd: Fd,
  { id, peer }: Pick<Handover, "id" | "peer">,
  standing: Standing | undefined,
): Outcome {
  try {
    return program.become(fd, { id, peer }, {
      first: () => {
        if (!standing) return;
        takeLimits(standing, true); // while it may
        takeIdentity(standing);
      },
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

/** The service is done, and its connection is in nobody's hands any more, or should be. */
function end(connection: FdConnection): Outcome | Promise<Outcome> {
  const inUse = isInUse(connection);
  return typeof inUse === "boolean"
    ? endWell(connection, inUse)
    : inUse.then((inUse) => endWell(connection, inUse));
}

function endWell(connection: FdConnection, inUse: boolean): Outcome {
  finish(connection);
  close(connection);
  const { bytesIn, bytesOut } = trafficOf(connection);
  return {
    bytesIn,
    bytesOut,
    reason: "closed",
    text: inUse ? UNFINISHED : "",
  };
}

function fail(connection: FdConnection, error: unknown): Outcome {
  close(connection);
  const { bytesIn, bytesOut, exceeded } = trafficOf(connection);
  const reason = reasonOf(error, exceeded);
  const text = reason === "error" ? describeError(error) : "";
  return { bytesIn, bytesOut, reason, text };
}

function reasonOf(error: unknown, exceeded: Traffic["exceeded"]): Reason {
  if (error instanceof Deno.errors.TimedOut) return exceeded ?? "idle";
  const gone = error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected;
  return gone ? "reset" : "error";
}
