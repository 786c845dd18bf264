/**
 * Renews the state that two copies of a process must not share: process ids, random numbers and the event loop. All of it is
 * prepared in the zygote, so that a child pays for what it uses alone.
 *
 * @module
 */
import { check, PosixError } from "../posix/errno.ts";
import { type Fd, openDescriptors } from "../posix/fd.ts";
import { exitNow, fork, waitFor } from "../posix/forking.ts";
import { read, write } from "../posix/io.ts";
import { cLibrary } from "../posix/libc.ts";
import { socketPair } from "../posix/net/sockets.ts";
import { descriptorTarget, readProcFile } from "../posix/proc.ts";
import { internals } from "../runtime/permissions.ts";

const { getpid } = cLibrary("getpid");

// Taken before a module is loaded that may put something else in their place.
const getRandomValues = crypto.getRandomValues.bind(crypto);
const randomUUID = crypto.randomUUID.bind(crypto);

/** Words of random state that `Math.random` draws at a time. */
const POOL = 256;
const pool = new Uint32Array(POOL);
let used = POOL;

/** A uniform double in [0, 1) with 53 random bits, from the system's generator. */
function random(): number {
  if (used === POOL) {
    getRandomValues(pool);
    used = 0;
  }
  const high = pool[used++]! >>> 5;
  const low = pool[used++]! >>> 6;
  return (high * 2 ** 26 + low) / 2 ** 53;
}

/**
 * Makes `Math.random` and `Deno.pid` fit to be copied by a fork: V8's generator cannot be told to seed
 * again, and the pid is a copy. Call it once in the zygote, before a module is loaded that may keep them.
 */
export function replaceIdentity(): void {
  Object.defineProperty(Deno, "pid", {
    get: () => getpid(),
    configurable: true,
    enumerable: true,
  });
  Math.random = random;
}

/**
 * Makes the generators behind Web Crypto fit to be copied by a fork. Call it once in the zygote, after
 * everything is loaded and before the first fork.
 *
 * - `crypto.getRandomValues`: the runtime's generator keeps a block of up to 256 bytes and notices a
 *   fork only when it fills the next (pthread_atfork(3)); `crypto.randomUUID` keeps a batch of up to
 *   128. What is left of both is used up here, or every child would get the same.
 *
 * @throws {TypeError} When two children would still draw the same.
 */
export function useUpRandomness(
  generators: readonly (() => string)[] = [],
): void {
  const word = new Uint32Array(1);
  useUp([
    () => String(getRandomValues(word)[0]),
    () => randomUUID(),
    ...generators.map(orOwn),
  ]);
}

/** If a module replaced a part of a generator, the results are its own responsibility. */
function orOwn(draw: () => string): () => string {
  return () => {
    try {
      return `${draw()}`;
    } catch {
      return `${getpid()}`; // differs from child to child
    }
  };
}

/**
 * Has every draw of a random number fail, in a zygote whose children draw none: two of them would draw the
 * same. Call it once, before any code of a service is loaded.
 */
export function refuseRandomness(): void {
  const refuse = (): never => {
    throw new TypeError(
      "Cannot draw a random number in a process that was forked without generators of its own",
    );
  };
  Math.random = refuse;
  for (const name of ["getRandomValues", "randomUUID"] as const) {
    Object.defineProperty(Crypto.prototype, name, { value: refuse });
  }
}

/** A forked child draws random numbers of its own from here on. */
export function renewIdentity(): void {
  used = POOL;
}

/** How much a generator may hold ready: a batch of 128, and some to see that it has changed. */
const MOST = 136;

/** Draws from each as often as two children would draw the same. */
function useUp(generators: readonly (() => string)[]): void {
  const children = [drawInChild(generators), drawInChild(generators)];
  const [first, second] = children.map((child) => child.drawn());
  generators.forEach((draw, which) => {
    const ours = first![which]!, theirs = second![which]!;
    const shared = ours.findIndex((value, i) => value !== theirs[i]);
    if (shared < 0) {
      throw new TypeError("Cannot fork: children would share random numbers");
    }
    for (let i = 0; i < shared; i++) draw();
  });
}

/** The numbers that a child forked now would draw: one list per generator. */
function drawInChild(
  generators: readonly (() => string)[],
): { drawn(): string[][] } {
  const [ours, theirs] = socketPair();
  const pid = fork();
  if (pid === 0) {
    for (const draw of generators) {
      const drawn = Array.from({ length: MOST }, draw);
      write(theirs.number, new TextEncoder().encode(drawn.join(" ")));
    }
    exitNow(0);
  }
  theirs.close();
  return {
    drawn: () => {
      using owned = ours;
      const lists = generators.map(() => receive(owned).split(" "));
      waitFor(pid);
      return lists;
    },
  };
}

function receive(from: Fd): string {
  const buffer = new Uint8Array(16 * 1024);
  const count = Math.max(0, read(from.number, buffer));
  return new TextDecoder().decode(buffer.subarray(0, count));
}

/** The part of `node:process` used here, which must not be loaded for this. */
interface Warner {
  listeners(event: "warning"): readonly (() => void)[];
  removeListener(event: "warning", listener: () => void): void;
}

/**
 * `node:process` keeps the pid in a variable of its own once it has been loaded. Deno 2.9 can set it up
 * again, which a child does if the zygote had it; Deno 2.7 cannot: there `process.pid` stays that of
 * the zygote.
 */
export function renewNodeProcess(): void {
  const boot = internals.__nodeBootstrapArgs;
  if (!internals.__nodeProcessBootstrapped || !boot) return;
  const { process } = globalThis as unknown as { process: Warner };
  const listeners = process.listeners("warning").length;
  internals.__nodeProcessBootstrapped = false;
  internals.__bootstrapNodeProcess(
    boot.argv0,
    boot.denoArgs,
    boot.denoVersion,
    boot.nodeDebug ?? "",
    false,
    true,
  );
  // It listens once more for warnings, each of which would be printed so many times.
  for (const listener of process.listeners("warning").slice(listeners)) {
    process.removeListener("warning", listener);
  }
}

/*
 * The runtime's event loop underneath: an epoll descriptor, an eventfd that wakes it and a socket pair
 * that brings signals (tokio, mio). After a fork, parent and child share all of them, so that each
 * would take the other's events. In the child they are replaced, over the same numbers, by new ones.
 */

const libc = cLibrary("close", "dup3", "epoll_create1", "epoll_ctl", "eventfd");

const CLOEXEC = 0o2000000; // O_CLOEXEC, EPOLL_CLOEXEC, EFD_CLOEXEC
const NONBLOCK = 0o4000;
const SOCK_STREAM_NONBLOCK = 1 | NONBLOCK;
const EPOLL_CTL_ADD = 1; // sys/epoll.h
/** `struct epoll_event` {u32 events; u64 data}: packed on x86_64, aligned elsewhere. */
const EVENT = Deno.build.arch === "x86_64"
  ? { size: 12, data: 4 }
  : { size: 16, data: 8 };

/** The parts of this process's event loop. */
export interface Reactor {
  /** Numbers of the one epoll instance. */
  readonly epolls: readonly number[];
  /** Numbers of the eventfds that wake it. */
  readonly wakers: readonly number[];
  /** Numbers of the end that signals arrive at, and of the end that the handler writes to. */
  readonly signalEnds: readonly [readonly number[], readonly number[]];
  /** The descriptors that the epoll instance watches. */
  readonly watched: readonly { fd: number; event: Uint8Array<ArrayBuffer> }[];
}

/**
 * Looks at the event loop of this process. Throws `PosixError` when /proc cannot be read. Throws `TypeError` when it
 * is built in a way that we do not know.
 */
export function scanReactor(): Reactor {
  const targets = new Map<number, string>();
  for (const fd of openDescriptors()) {
    targets.set(fd, descriptorTarget(fd) ?? "");
  }
  const all = (target: string) =>
    [...targets.keys()].filter((fd) => targets.get(fd) === target);
  const epolls = all("anon_inode:[eventpoll]");
  const first = epolls[0];
  if (first === undefined) {
    throw new TypeError("Cannot renew the event loop: it has no epoll");
  }
  const watched = readWatched(first);
  const socket = watched.find(({ fd }) =>
    targets.get(fd)?.startsWith("socket:")
  )?.fd;
  const arrive = socket === undefined ? [] : all(targets.get(socket)!);
  const write = arrive.length === 0 ? [] : peerOf(arrive, targets);
  return {
    epolls,
    wakers: all("anon_inode:[eventfd]"),
    signalEnds: [arrive, write],
    watched,
  };
}

/** A socket pair's ends are made one after the other: the other one is a neighbour's number. */
function peerOf(
  ends: readonly number[],
  targets: ReadonlyMap<number, string>,
): number[] {
  const neighbours = [ends[0]! + 1, ends[0]! - 1];
  const peer = neighbours.find((fd) =>
    targets.get(fd)?.startsWith("socket:") && !ends.includes(fd)
  );
  if (peer === undefined) {
    throw new TypeError("Cannot renew the event loop: no signal socket");
  }
  return [peer];
}

/** The registrations of an epoll instance, as `/proc/self/fdinfo` shows them. */
function readWatched(
  epoll: number,
): { fd: number; event: Uint8Array<ArrayBuffer> }[] {
  const watched: { fd: number; event: Uint8Array<ArrayBuffer> }[] = [];
  for (const line of readProcFile(`/proc/self/fdinfo/${epoll}`).split("\n")) {
    const entry = /^tfd:\s+(\d+) events:\s+([0-9a-f]+) data:\s+([0-9a-f]+)/
      .exec(line);
    if (!entry) continue;
    const event = new DataView(new ArrayBuffer(EVENT.size));
    event.setUint32(0, parseInt(entry[2]!, 16), true);
    event.setBigUint64(EVENT.data, BigInt("0x" + entry[3]), true);
    watched.push({ fd: Number(entry[1]), event: new Uint8Array(event.buffer) });
  }
  return watched;
}

/** Gives this process, a forked child, an event loop of its own. Throws `PosixError` when descriptors run out. */
export function renewReactor(reactor: Reactor): void {
  const { epoll_create1, epoll_ctl, eventfd } = libc;
  if (!epoll_create1 || !epoll_ctl || !eventfd) {
    throw new PosixError("epoll_create1", 0);
  }
  const epoll = check(epoll_create1(CLOEXEC), "epoll_create1");
  for (const waker of reactor.wakers) {
    replace(check(eventfd(0, CLOEXEC | NONBLOCK), "eventfd"), [waker]);
  }
  const [arrive, write] = reactor.signalEnds;
  if (write.length > 0) {
    const [a, b] = socketPair(SOCK_STREAM_NONBLOCK);
    replace(a.release(), arrive);
    replace(b.release(), write);
  }
  for (const { fd, event } of reactor.watched) {
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event), "epoll_ctl");
  }
  replace(epoll, reactor.epolls);
}

/** Puts a new descriptor over old numbers and closes its own. */
function replace(made: number, over: readonly number[]): void {
  for (const fd of over) check(libc.dup3?.(made, fd, CLOEXEC) ?? -1, "dup3");
  libc.close(made);
}
