/**
 * The runtime's event loop underneath: an epoll descriptor, an eventfd that wakes it and a socket pair
 * that brings signals (tokio, mio). After a fork, parent and child share all of them, so that each
 * would take the other's events. In the child they are replaced, over the same numbers, by new ones.
 *
 * @module
 */
import { check, PosixError } from "../posix/errno.ts";
import { openDescriptors } from "../posix/fd.ts";
import { cLibrary } from "../posix/libc.ts";
import { descriptorTarget, readProcFile } from "../posix/proc.ts";
import { socketPair } from "../posix/net/sockets.ts";

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
