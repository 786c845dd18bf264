/**
 * Serving one connection, whatever the process model: from the descriptor to the outcome.
 *
 * A process with a channel of its own: it takes a connection, serves it, and waits for the next until
 * the parent closes the channel. In `spawn` that is after the first.
 *
 * @module
 */
import { markAs } from "../posix/descent.ts";
import type { Fd } from "../posix/fd.ts";
import { stopSignal } from "../posix/forking.ts";
import {
  errors,
  isA,
  isPromise,
  kindOf,
  own,
  TypeError,
  Uint8Array,
} from "../posix/intrinsics.ts";
import { receiveFd } from "../posix/net/handover.ts";
import { outliveParent } from "../posix/process.ts";
import { programMemory, takeIdentity, takeLimits } from "../sandbox/enter.ts";
import type { LoadedService } from "../service/load.ts";
import type { Program } from "../service/program.ts";
import type { AnyService } from "../service/service.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import {
  decodeHandover,
  type Handover,
  HANDOVER_SIZE,
  type Outcome,
  type Reason,
  UNFINISHED,
} from "../wire/records.ts";
import type { ProcessAttributes } from "../wire/choices.ts";
import { done, ready, tell, took } from "../wire/tell.ts";
import { FdConnection, keeper } from "./connection.ts";
import { describeError, sawUncaught, untilUncaught } from "./errors.ts";

/**
 * Has a service of ours, which is to be synchronous, fail if it waits for something: forked, it would wait at an
 * event loop that its zygote has, too. Throws `TypeError` when the service has not ended.
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

/** Tells how a connection ended. `clientEndedAt`: when the client had ended its side, 0 where that was not seen. */
type TellEnd = (outcome: Outcome, clientEndedAt: number) => void;
/** The same, of any connection. */
export type TellEndOf = (
  handover: Handover,
  ...end: Parameters<TellEnd>
) => void;

/**
 * Serves a connection and closes it. `fd`: the connection; closed when this returns. Resolves when that has been
 * told; undefined where it has been.
 */
export function serveOne(
  service: AnyService | Program,
  fd: Fd,
  handover: Pick<Handover, "id" | "peer">,
  options: Pick<
    ChildOptions,
    "idleTimeout" | "firstByteTimeout" | "attributes" | "isMarked"
  >,
  tellEnd: TellEnd,
): void | Promise<void> {
  const { idleTimeout, firstByteTimeout, attributes } = options;
  if (options.isMarked) markAs(handover.id);
  if (typeof service !== "function") {
    return void tellEnd(become(service, fd, handover, attributes), 0);
  }
  const connection = new FdConnection(fd, handover, {
    idleTimeout,
    firstByteTimeout,
    stop: stopSignal,
  });
  try {
    if (attributes) takeLimits(attributes, false);
  } catch (error) {
    keeper.close(connection);
    return void tellEnd(refusal(error as Error), 0);
  }
  let served: ReturnType<AnyService>;
  try {
    served = service(connection, keeper.sendOnly);
    if (isThenable(served)) {
      return awaitEnd(connection, untilUncaught(served), tellEnd);
    }
    refuseGenerator(served);
  } catch (error) {
    return fail(connection, error, tellEnd);
  }
  return keeper.isInUse(connection) === false
    ? endWell(connection, false, tellEnd)
    : awaitEnd(connection, undefined, tellEnd);
}

async function awaitEnd(
  connection: FdConnection,
  served: Promise<unknown> | undefined,
  tellEnd: TellEnd,
): Promise<void> {
  try {
    if (served) await own(served);
  } catch (error) {
    return fail(connection, error, tellEnd);
  }
  const inUse = keeper.isInUse(connection);
  const isLeft = typeof inUse === "boolean" ? inUse : await own(inUse);
  endWell(connection, isLeft, tellEnd);
}

/** Whatever `await` waits for: a promise of any library's. */
function isThenable(served: unknown): served is PromiseLike<unknown> {
  return isPromise(served) || served !== null && served !== undefined &&
      typeof (served as PromiseLike<unknown>).then === "function";
}

/** A handler returned a generator: none of its code has run. */
function refuseGenerator(served: unknown): void {
  if (typeof served !== "object" || served === null) return;
  const kind = kindOf(served);
  const isOne = kind === "[object Generator]" ||
    kind === "[object AsyncGenerator]";
  if (!isOne) return;
  throw new TypeError(
    "the handler returned a generator, which is not run: use an async function",
  );
}

function become(
  program: Program,
  fd: Fd,
  { id, peer }: Pick<Handover, "id" | "peer">,
  attributes: ProcessAttributes | undefined,
): Outcome {
  try {
    return program.become(fd, { id, peer }, {
      first: () => {
        if (!attributes) return;
        takeLimits(attributes, true); // while it may
        takeIdentity(attributes);
      },
      last: attributes && programMemory(attributes),
    });
  } catch (error) {
    return refusal(error as Error);
  }
}

/** The outcome of a connection that nothing was done with. */
function refusal({ message }: Error): Outcome {
  return { bytesIn: 0, bytesOut: 0, reason: "error", text: message };
}

/** The service is done, and nothing should use its connection any more. */
function endWell(
  connection: FdConnection,
  inUse: boolean,
  tellEnd: TellEnd,
): void {
  keeper.finish(connection);
  keeper.close(connection);
  const { bytesIn, bytesOut, clientEndedAt } = keeper.trafficOf(connection);
  const text = inUse ? UNFINISHED : "";
  tellEnd({ bytesIn, bytesOut, reason: "closed", text }, clientEndedAt);
}

function fail(
  connection: FdConnection,
  error: unknown,
  tellEnd: TellEnd,
): void {
  keeper.close(connection);
  const { bytesIn, bytesOut, exceeded, clientEndedAt } = keeper.trafficOf(
    connection,
  );
  const reason = reasonOf(error, exceeded);
  const text = reason === "error" ? describeError(error) : "";
  tellEnd({ bytesIn, bytesOut, reason, text }, clientEndedAt);
}

function reasonOf(error: unknown, exceeded: Reason | undefined): Reason {
  if (isA(error, errors.TimedOut)) return exceeded ?? "idle";
  const gone = isA(error, errors.ConnectionReset) ||
    isA(error, errors.BrokenPipe) || isA(error, errors.NotConnected);
  return gone ? "reset" : "error";
}

/**
 * Serves until the parent wants no more. `channel`: the process's own channel; it stays open until the process ends.
 */
export async function work(
  channel: Fd,
  service: LoadedService,
  options: ChildOptions,
): Promise<void> {
  const tellEnd = tellerOf(channel);
  tell(channel.number, ready());
  for (;;) {
    const serving = serveNext(channel, service, options, tellEnd);
    if (serving === "end") return;
    if (serving) await own(serving);
    if (sawUncaught()) return; // what else the handler left behind nobody knows
  }
}

/** Tells over a worker's channel how its connections ended. */
function tellerOf(channel: Fd): TellEndOf {
  return (handover, outcome, clientEndedAt) =>
    void tell(channel.number, done(handover, outcome, clientEndedAt));
}

/**
 * Waits for a connection, and serves it. `tellEnd`: tells how it ended, over the channel unless said otherwise; under
 * a rewinder it does not return. Resolves when that has been told; undefined where it has been; "end" when the parent
 * wants no more.
 */
export function serveNext(
  channel: Fd,
  service: LoadedService,
  options: ChildOptions,
  tellEnd: TellEndOf = tellerOf(channel),
): void | Promise<void> | "end" {
  const received = receiveFd(channel.number, {
    wait: true,
    size: HANDOVER_SIZE,
  });
  if (received === "end" || received === null) return "end";
  const record = decodeHandover(received.data);
  const handover = service.asynchronous ? keep(record) : record;
  if (received.fd === null) {
    throw new TypeError("Cannot serve: no descriptor came along");
  }
  outliveParent();
  tell(channel.number, took(handover));
  return endedIfDue(
    service,
    serveOne(
      service.serve,
      received.fd,
      handover,
      options,
      (outcome, clientEndedAt) => tellEnd(handover, outcome, clientEndedAt),
    ),
  );
}

/** A handler may still ask a connection for its peer when the next one has been received. */
function keep({ kind, id, peer, secret }: Handover): Handover {
  return {
    kind,
    id,
    peer: new Uint8Array(peer),
    secret: new Uint8Array(secret),
  };
}
