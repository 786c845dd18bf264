/**
 * Running in the zygote what children will run, so that they inherit compiled code: what a child is
 * the first to run, V8 parses and compiles in that child, and in every other one again. TurboFan is to
 * have all of it: optimized code writes no counters and no feedback, each of which would cost every
 * child a page, and calls C without detours.
 *
 * When a zygote that is at work rehearses what is not warm yet: nothing that was accepted waits for it.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { type Rewinder, serveRewound } from "../child/rewound.ts";
import { serveNext } from "../child/serve_one.ts";
import type { Fd } from "../posix/fd.ts";
import { leave } from "../posix/forking.ts";
import { read, write } from "../posix/io.ts";
import { receiveFd, sendFd } from "../posix/net/handover.ts";
import { shutdownWrite, socketPair } from "../posix/net/sockets.ts";
import { monotonic } from "../posix/process.ts";
import type { Fence } from "../posix/seccomp/filter.ts";
import { mayHaveLoadedNode } from "../runtime/permissions.ts";
import { dataUrl } from "../runtime/roles.ts";
import type { LoadedService } from "../service/load.ts";
import type { AnyService } from "../service/service.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import {
  decodeHandover,
  encodeHandover,
  HANDOVER_SIZE,
  SECRET_SIZE,
} from "../wire/records.ts";
import {
  arrive,
  type Birth,
  type Means,
  meansOf,
  type Rebirth,
  rehearsedRebirth,
  runChild,
} from "./birth.ts";

/** TurboFan takes a function after 400 calls, and from source after 100 at most: see `model/runtime_process.ts`. */
const ENOUGH = Deno.build.standalone ? 1_000 : 200;
const ROUNDS = {
  synchronous: { service: ENOUGH, birth: ENOUGH },
  asynchronous: { service: 20, birth: 100 },
};
/**
 * A process that rewinds is at each connection as compiled as it was at the mark, and never more: what TurboFan
 * would take a few calls later, it would take in each connection anew. So all is called far more often than it asks
 * for; and of a handler's services some at last, too seldom to be optimized, which call what was left a call short.
 */
const FOR_GOOD = {
  synchronous: 800,
  asynchronous: Deno.build.standalone ? 1_200 : 400,
  seldom: 300,
};
/** Rounds of a process that rewinds in which the client ends only when it is waited for: a millisecond each. */
const LATE = { from: 100, to: 120 };
/** Microtasks until a handler waits for its client, and more. */
const TURNS = 200;
const SOCK_STREAM = 1;
const PEER = new Uint8Array(16); // of a struct sockaddr_in
const LINE = new TextEncoder().encode("warm\n");
const SECRET = new Uint8Array(SECRET_SIZE);

/**
 * Rounds after which a zygote that is at work looks whether somebody has come: some milliseconds. They are not
 * more slices than that, or TurboFan would take them for what is called often, and not what they call.
 */
const SLICES = { service: ENOUGH / 40, birth: ENOUGH / 8 };

/** The services that a zygote rehearses. */
interface Rehearsed {
  readonly often: readonly AnyService[];
  /** For a process that rewinds. */
  readonly seldom: readonly AnyService[];
}

/** Loads the services to rehearse. */
export async function loadRehearsed(asynchronous: boolean): Promise<Rehearsed> {
  if (asynchronous) return await import("./played_handlers.ts");
  return { often: [(await import("../service/echo.ts")).echo], seldom: [] };
}

/**
 * Whether a zygote rehearses when it is at work already: that its first children are cold is better than that the
 * first clients wait. A handler is rehearsed with an event loop, which is there before the fork alone; what
 * serves for long is to be warm from the start; and a limit of memory is counted from what is in use at the start.
 */
export function rehearsesLate(
  { service, attributes, isPooled }: ChildOptions,
): boolean {
  return !("module" in service) && !attributes && !isPooled;
}

/** Serves a few connections to itself. */
export async function* rehearseService(
  { often, seldom }: Rehearsed,
  options: ChildOptions,
  rewinder: Rewinder | null,
): AsyncGenerator<void> {
  const bytes = new Uint8Array(LINE);
  const asynchronous = "module" in options.service;
  const kind = asynchronous ? "asynchronous" : "synchronous";
  const rounds = rewinder ? FOR_GOOD[kind] : ROUNDS[kind].service;
  const more = rewinder && asynchronous ? FOR_GOOD.seldom : 0;
  const own = asItIs(options);
  void Deno.exitCode; // its getter is compiled at its first use, too
  for (let id = 1; id <= rounds + more; id++) {
    const [client, server] = socketPair(SOCK_STREAM);
    const [parent, reports] = socketPair();
    write(client.number, bytes);
    const services = id > rounds ? seldom : often;
    const serve = services[id % services.length]!;
    const service = { serve, asynchronous };
    const isLate = more > 0 && id > LATE.from && id <= LATE.to;
    if (!isLate) shutdownWrite(client.number);
    // Called by the runtime, or it would be optimized as a part of this loop, and not by itself.
    if (options.isPooled) {
      handOver(parent, id, server);
      const serving = Promise.resolve().then(
        rewinder
          ? serveRewound.bind(null, 2, reports, service, own, rewinder)
          : serveNext.bind(null, reports, service, own, undefined),
      );
      if (isLate) {
        for (let turn = 0; turn < TURNS; turn++) await undefined;
        shutdownWrite(client.number);
      }
      await serving;
    } else {
      const birth = comeOver(id, server);
      await Promise.resolve().then(
        runChild.bind(null, birth, reports, service, own, null),
      );
    }
    read(client.number, bytes);
    for (const fd of [client, parent, reports]) fd.close();
    if (id % SLICES.service === 0) yield;
  }
}

/** Is born and ends a few times, without a fork and without an end. */
export function* rehearseBirth(
  rebirth: Rebirth,
  fence: Fence | null,
  { isPooled, rewinds }: ChildOptions,
): Generator<void> {
  const own = rehearsedRebirth(rebirth);
  const kind = rebirth.reactor ? "asynchronous" : "synchronous";
  // Who serves many is born once, and compiles later what it has in common with that, unless it rewinds.
  const rounds = isPooled && !rewinds ? 20 : ROUNDS[kind].birth;
  for (let done = 0; done < rounds; done += SLICES.birth) {
    const wasArmed = fence?.disarm();
    try {
      const end = Math.min(done + SLICES.birth, rounds);
      for (let i = done; i < end; i++) {
        const [parent, reports] = socketPair();
        const [channel, children] = socketPair();
        const { handover, fd } = comeOver(i, parent);
        arrive(
          meansOf({ channel, reports, children }, own, fence),
          handover,
          monotonic(),
        );
        leave(-1);
        for (const owned of [fd, reports]) owned.close();
      }
    } finally {
      if (wasArmed) fence?.arm(); // also where the system refuses: children are forked all the same
    }
    yield;
  }
}

/**
 * Is born, serves and ends once, at once, without a fork and without an end: what it touches is what a child will.
 * `serve`: one of ours that does not wait; null where children serve what cannot be rehearsed without a client.
 */
export function rehearseChild(
  { rebirth, fence }: Pick<Means, "rebirth" | "fence">,
  serve: AnyService | null,
  options: ChildOptions,
): void {
  const own = asItIs(options);
  const wasArmed = fence?.disarm();
  const opened: Fd[] = [];
  try {
    const [client, server] = socketPair(SOCK_STREAM);
    opened.push(client, server);
    const [parent, reports] = socketPair();
    opened.push(parent, reports);
    const [channel, children] = socketPair();
    opened.push(channel, children);
    write(client.number, LINE);
    shutdownWrite(client.number);
    const birth = comeOver(1, server);
    opened.push(birth.fd);
    const means = meansOf(
      { channel, reports, children },
      rehearsedRebirth(rebirth),
      fence,
    );
    arrive(means, birth.handover, monotonic());
    if (serve) {
      void runChild(birth, reports, { serve, asynchronous: false }, own, null);
    }
    leave(-1);
  } finally {
    for (const fd of opened) fd.close(); // again is harmless
    if (wasArmed) fence?.arm();
  }
}

/**
 * Of a process that stays what it is. The object is the one that children will get, wherever it can be: code that was
 * optimized for another shape would be thrown away in every child.
 */
function asItIs(options: ChildOptions): ChildOptions {
  return options.attributes ? { ...options, attributes: undefined } : options;
}

/** A connection as the zygote gets it, by the same steps: code is optimized for the objects it meets. */
function comeOver(id: number, connection: Fd): Birth {
  const [parent, channel] = socketPair();
  try {
    handOver(parent, id, connection);
    const received = receiveFd(channel.number, {
      wait: false,
      size: HANDOVER_SIZE,
    });
    if (received === null || received === "end" || received.fd === null) {
      throw new PosixError("recvmsg", abi.errno.EMFILE!); // without one that is free, none arrives
    }
    return { handover: decodeHandover(received.data), fd: received.fd };
  } finally {
    for (const fd of [parent, channel]) fd.close();
  }
}

function handOver(parent: Fd, id: number, connection: Fd): void {
  const record = encodeHandover({
    kind: "connection",
    id,
    peer: PEER,
    secret: SECRET,
  });
  sendFd(parent.number, record, connection.number);
  connection.close();
}

/**
 * Random generators beyond the built-in ones that a service's modules may have used before the fork,
 * and that keep numbers ready: those of `node:crypto`.
 */
export async function generatorsOf(
  service: LoadedService,
): Promise<(() => string)[]> {
  // No built-in service uses them, and where nothing has loaded them nothing has drawn from them: to
  // load them here would cost every child the renewal of `node:process`.
  if (!service.asynchronous || !mayHaveLoadedNode()) return [];
  const { randomUUID, randomBytes } = await import("node:crypto");
  return [() => randomUUID(), () => randomBytes(4).toString("hex")];
}

/**
 * Has the runtime's parser run once on this thread. It asks for the end of the stack then, in /proc/self/maps,
 * and gives up the process where it may not: a child may not, whose /proc/self is none that it was granted. It parses
 * CommonJS, and a person's TypeScript once more for the place of an error, where no cache has what it made of it.
 */
export async function meetParser(): Promise<void> {
  try {
    if (Deno.build.standalone) return await meetParserOfNode();
    // No cache has this, as no process has said it before; without a condition the parser asks nothing.
    const text =
      `if (true as boolean) throw new Error("${crypto.randomUUID()}")`;
    await import(dataUrl("typescript", text));
  } catch (error) {
    void (error as Error).stack; // the place of an error is looked for when somebody asks
  }
}

/** An executable has no TypeScript. */
async function meetParserOfNode(): Promise<void> {
  if (!mayHaveLoadedNode()) return;
  const { createRequire } = await import("node:module");
  const { pathname } = new URL(import.meta.url);
  createRequire(import.meta.url)(decodeURIComponent(pathname));
}

/**
 * The time without a new connection after which it begins or continues, in milliseconds: a server that ends before has
 * not paid for it, and half a second after its start it is warm.
 */
export const QUIET = 200;
/**
 * So many forks without a quiet moment, and a slice follows each: under a load that never ends, each child would
 * compile what the zygote can compile once, which takes many times as long as a slice.
 */
const MOST_COLD = 32;

/** A rehearsal, and the time for it. */
export class SpareTime {
  readonly #slices: AsyncIterator<void> | undefined;
  #isOver: boolean;
  #forks = 0;

  /**
   * `slices`: the rehearsal, of which each slice takes some milliseconds; null where nothing is left to be rehearsed.
   */
  constructor(slices: AsyncIterable<void> | null) {
    this.#slices = slices?.[Symbol.asyncIterator]();
    this.#isOver = slices === null;
  }

  /** Whether nothing is left to be rehearsed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** A child was forked. Returns whether it is time for a slice, whoever waits. */
  forked(): boolean {
    return ++this.#forks > MOST_COLD && !this.#isOver;
  }

  /**
   * Rehearses a slice, and more while no connection comes. If the system refuses, only
   * the forks cost more from then on.
   */
  async use(hasWork: () => boolean): Promise<void> {
    try {
      do {
        const { done = false } = await this.#slices!.next();
        this.#isOver = done;
      } while (!this.#isOver && !hasWork());
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      this.#isOver = true;
    }
  }
}
