/**
 * Serving one connection, whatever the process model: from the descriptor to the outcome.
 *
 * @module
 */
import type { Standing } from "../wire/standing.ts";
import type { Fd } from "../posix/fd.ts";
import {
  errors,
  isA,
  isPromise,
  kindOf,
  own,
  TypeError,
} from "../posix/intrinsics.ts";
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
import type { ChildOptions } from "../wire/child_options.ts";
import {
  programMemory,
  takeIdentity,
  takeLimits,
} from "../sandbox/process_limits.ts";
import { stopSignal } from "./stop_signal.ts";
import { untilUncaught } from "./uncaught.ts";
import {
  type Handover,
  type Outcome,
  type Reason,
  UNFINISHED,
} from "../wire/records.ts";

/**
 * Has a service of ours, which is to be synchronous, fail if it waits for something: forked, it would wait at an
 * event loop that its zygote has, too.
 *
 * @throws {TypeError} When the service has not ended.
 */
export function endedIfDue(
  { asynchronous }: LoadedService,
  served: void | Promise<void>,
): void | Promise<void> {
  if (asynchronous || !served) return served;
  throw new TypeError(
    "a service that is to be synchronous waits for something",
  );
}

/**
 * Serves a connection and closes it.
 *
 * @param fd The connection; closed when this returns.
 * @returns Resolves when that has been told; undefined where it has been.
 */
export function serveOne(
  service: AnyService | Program,
  fd: Fd,
  handover: Pick<Handover, "id" | "peer">,
  options: Pick<
    ChildOptions,
    "idleTimeout" | "firstByteTimeout" | "standing" | "isMarked"
  >,
  tellEnd: (outcome: Outcome) => void,
): void | Promise<void> {
  const { idleTimeout, firstByteTimeout, standing } = options;
  if (options.isMarked) markAs(handover.id);
  if (typeof service !== "function") {
    return void tellEnd(become(service, fd, handover, standing));
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
    return void tellEnd(refusal(error as Error));
  }
  let served: ReturnType<AnyService>;
  try {
    served = service(connection);
    if (isThenable(served)) {
      return awaitEnd(connection, untilUncaught(served), tellEnd);
    }
    refuseGenerator(served);
  } catch (error) {
    return void tellEnd(fail(connection, error));
  }
  return isInUse(connection) === false
    ? void tellEnd(endWell(connection, false))
    : awaitEnd(connection, undefined, tellEnd);
}

async function awaitEnd(
  connection: FdConnection,
  served: Promise<unknown> | undefined,
  tellEnd: (outcome: Outcome) => void,
): Promise<void> {
  try {
    if (served) await own(served);
  } catch (error) {
    return void tellEnd(fail(connection, error));
  }
  const inUse = isInUse(connection);
  const isLeft = typeof inUse === "boolean" ? inUse : await own(inUse);
  tellEnd(endWell(connection, isLeft));
}

/** Whatever `await` waits for: a promise of any library's. */
function isThenable(served: unknown): served is PromiseLike<unknown> {
  return isPromise(served) || served !== null && served !== undefined &&
      typeof (served as PromiseLike<unknown>).then === "function";
}

/** A generator that a handler returned is one of whose code nothing has run. */
function refuseGenerator(served: unknown): void {
  if (typeof served !== "object" || served === null) return;
  const kind = kindOf(served);
  const isOne = kind === "[object Generator]" ||
    kind === "[object AsyncGenerator]";
  if (!isOne) return;
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
  if (isA(error, errors.TimedOut)) return exceeded ?? "idle";
  const gone = isA(error, errors.ConnectionReset) ||
    isA(error, errors.BrokenPipe) || isA(error, errors.NotConnected);
  return gone ? "reset" : "error";
}
