/**
 * Reading, writing and waiting on raw descriptors. EINTR is retried here and nowhere else.
 *
 * @module
 */
import { abi, scratch, viewOf } from "./abi.ts";
import { errno, PosixError } from "./errno.ts";
import {
  ArrayBuffer,
  begin,
  Int32Array,
  lengthOf,
  own,
  SafeBytes,
  Uint8Array,
} from "./intrinsics.ts";
import { cLibrary } from "./libc.ts";

const { MSG_PEEK } = abi;

const libc = cLibrary(
  "memcmp",
  "poll",
  "pollAsync",
  "ppoll",
  "read",
  "recv",
  "send",
  "write",
);

const { EINTR, EAGAIN } = abi.errno;
const timespec = new BigInt64Array(2); // struct timespec {time_t tv_sec; long tv_nsec}
const timespecBytes = new Uint8Array(timespec.buffer);

/**
 * Reads what is there, `read(2)`. `buffer`: where to put the bytes. Returns how many bytes came; 0 at the end of the
 * file; -1 when nothing is there yet (a non-blocking descriptor, or a time-out set by {@linkcode setTimeouts}).
 * Throws `PosixError` on any other error.
 */
export function read(fd: number, buffer: Uint8Array<ArrayBuffer>): number {
  for (;;) {
    const count = libc.read(fd, buffer, lengthOf(buffer));
    if (count >= 0) return count;
    const error = errno();
    if (error === EAGAIN) return -1;
    if (error !== EINTR) throw new PosixError("read", error);
  }
}

/**
 * Writes as much as goes, `write(2)`. SIGPIPE is ignored in every process of ours (the runtime does so), so a peer
 * that hung up shows as EPIPE. `buffer`: the bytes. Returns how many bytes went; -1 when none can go yet
 * (non-blocking, or a time-out). Throws `PosixError` on any other error.
 */
export function write(fd: number, buffer: Uint8Array<ArrayBuffer>): number {
  for (;;) {
    const count = libc.write(fd, buffer, lengthOf(buffer));
    if (count >= 0) return count;
    const error = errno();
    if (error === EAGAIN) return -1;
    if (error !== EINTR) throw new PosixError("write", error);
  }
}

/**
 * Reads what is there from a socket without waiting, whatever its mode: `recv(2)` MSG_DONTWAIT. `buffer`: where to
 * put the bytes. Returns how many bytes came; 0 at the end of the stream; -1 when nothing is there yet. Throws
 * `PosixError` on any other error.
 */
export function receiveNow(
  fd: number,
  buffer: Uint8Array<ArrayBuffer>,
): number {
  return receive(fd, buffer, abi.MSG_DONTWAIT);
}

/**
 * Looks at what is there without taking it: `recv(2)` MSG_PEEK MSG_DONTWAIT. `buffer`: where to put a copy of the
 * bytes. Returns how many bytes there are, up to the buffer's length; 0 at the end of the stream; -1 when nothing is
 * there yet. Throws `PosixError` on any other error.
 */
export function peekNow(fd: number, buffer: Uint8Array<ArrayBuffer>): number {
  return receive(fd, buffer, abi.MSG_DONTWAIT | MSG_PEEK);
}

function receive(
  fd: number,
  buffer: Uint8Array<ArrayBuffer>,
  flags: number,
): number {
  for (;;) {
    const count = libc.recv(fd, buffer, lengthOf(buffer), flags);
    if (count >= 0) return count;
    const error = errno();
    if (error === EAGAIN) return -1;
    if (error !== EINTR) throw new PosixError("recv", error);
  }
}

/**
 * Writes what goes to a socket without waiting, whatever its mode: `send(2)` MSG_DONTWAIT. `buffer`: the bytes.
 * Returns how many bytes went; -1 when none can go yet. Throws `PosixError` on any other error.
 */
export function sendNow(fd: number, buffer: Uint8Array<ArrayBuffer>): number {
  for (;;) {
    const count = libc.send(
      fd,
      buffer,
      lengthOf(buffer),
      abi.MSG_DONTWAIT | abi.MSG_NOSIGNAL,
    );
    if (count >= 0) return count;
    const error = errno();
    if (error === EAGAIN) return -1;
    if (error !== EINTR) throw new PosixError("send", error);
  }
}

/**
 * Waits for one descriptor without blocking the event loop: `poll(2)` on another thread. `fd`: the descriptor; it
 * must stay open until this resolves. `timeout`: in milliseconds; -1 waits forever. Returns what is ready
 * (`revents`); 0 after the time-out.
 */
export async function pollLater(
  fd: number,
  events: number,
  timeout: number,
): Promise<number> {
  const room = new ArrayBuffer(8);
  const entry = new Int32Array(room); // struct pollfd {int fd; short events; short revents}
  const bytes = new Uint8Array(room);
  entry[0] = fd;
  entry[1] = events;
  // Its errno cannot be read from here: the one that can happen is EINTR, and that is tried again.
  const wait = () => libc.pollAsync(bytes, 1, timeout);
  while (await own(begin(wait)) < 0);
  return entry[1]! >> 16;
}

/** One descriptor in a {@linkcode PollSet}. */
interface PollEntry {
  /** The descriptor; a negative one is skipped. */
  readonly fd: number;
  /** The events to wait for: POLLIN, POLLOUT. */
  readonly events: number;
}

/** A few descriptors that are waited for together, laid out once: `struct pollfd` {int; short; short}. */
export class PollSet {
  readonly #table: DataView<ArrayBuffer>;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #count: number;

  /**
   * `entries`: the descriptors, borrowed, and what to wait for. `room`: eight bytes for each; a process that is
   * forked gives its `scratch`.
   */
  constructor(
    entries: readonly PollEntry[],
    room: Uint8Array<ArrayBuffer> = new SafeBytes(8 * entries.length),
  ) {
    this.#count = entries.length;
    this.#bytes = room;
    this.#table = viewOf(this.#bytes);
    for (let i = 0; i < entries.length; i++) this.set(i, entries[i]!);
  }

  set(index: number, { fd, events }: PollEntry): void {
    this.#table.setInt32(8 * index, fd, true);
    this.#table.setInt16(8 * index + 4, events, true);
  }

  /**
   * Waits until one of them is ready, `poll(2)`; blocks the thread. `timeout`: in milliseconds; -1 waits forever.
   * Returns how many are ready; 0 after the time-out. Throws `PosixError` when the system refuses.
   */
  wait(timeout: number = -1): number {
    for (;;) {
      const ready = libc.poll(this.#bytes, this.#count, timeout);
      if (ready >= 0) return ready;
      const error = errno();
      if (error !== EINTR) throw new PosixError("poll", error);
    }
  }

  /**
   * As {@linkcode wait}, for less than a millisecond too where the system can: `ppoll(2)`. Elsewhere it wakes up
   * early, by less than a millisecond. `timeout`: in milliseconds, with a fraction; 0 does not wait. Returns how many
   * are ready; 0 after the time-out. Throws `PosixError` when the system refuses.
   */
  waitFinely(timeout: number): number {
    const { ppoll } = libc;
    if (!ppoll) return this.wait(Math.floor(timeout));
    const end = performance.now() + timeout;
    for (let left = timeout;; left = Math.max(0, end - performance.now())) {
      timespec[0] = BigInt(Math.floor(left / 1000));
      timespec[1] = BigInt(Math.floor(left % 1000 * 1e6));
      const ready = ppoll(this.#bytes, this.#count, timespecBytes, null);
      if (ready >= 0) return ready;
      const error = errno();
      if (error !== EINTR) throw new PosixError("ppoll", error);
    }
  }

  /** The events that the last wait found. Returns `revents`; 0 when it is not ready. */
  ready(index: number): number {
    return this.#table.getInt16(8 * index + 6, true);
  }
}

/**
 * Waits once until one of a few descriptors is ready. `timeout`: in milliseconds; -1 waits forever. Returns what is
 * ready, entry by entry (`revents`); all 0 after the time-out. Throws `PosixError` when the system refuses.
 */
export function poll(
  entries: readonly PollEntry[],
  timeout: number = -1,
): number[] {
  const set = new PollSet(entries);
  set.wait(timeout);
  return entries.map((_, i) => set.ready(i));
}

const single = new PollSet([{ fd: -1, events: 0 }], scratch(8));

/**
 * Waits once until a descriptor is ready. `timeout`: in milliseconds; -1 waits forever. Returns what is ready
 * (`revents`); 0 after the time-out. Throws `PosixError` when the system refuses.
 */
export function pollOne(fd: number, events: number, timeout: number): number {
  single.set(0, { fd, events });
  single.wait(timeout);
  return single.ready(0);
}

/** Whether two buffers begin with the same bytes, `memcmp(3)`. `length`: how many bytes; neither is shorter. */
export function sameStart(
  a: Uint8Array<ArrayBuffer>,
  b: Uint8Array<ArrayBuffer>,
  length: number,
): boolean {
  return libc.memcmp(a, b, length) === 0;
}
