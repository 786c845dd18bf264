/**
 * A descriptor with one owner, and files without a name.
 *
 * @module
 */
import { abi, variadicPadding } from "./abi.ts";
import { check } from "./errno.ts";
import { TypeError } from "./intrinsics.ts";
import { cLibrary } from "./libc.ts";

const { FD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, F_SETFL, POLLNVAL } = abi;

const ON_STACK = variadicPadding(Deno.build) > 0;

const libc = cLibrary(
  "close",
  "close_range",
  "dup2",
  ON_STACK ? "fcntlOnStack" : "fcntl",
  "memfd_create",
  "poll",
  "pwrite",
);

const CLOSE_RANGE_CLOEXEC = 4; // linux/close_range.h, Linux 5.11
const LAST_FD = 0xffffffff;
/** Numbers that are looked at where there is no better way; those of a connection process are low. */
const MOST_DESCRIPTORS = 65536;

/** Owns one descriptor: closes it once, and throws when it is used afterwards. */
export class Fd implements Disposable {
  #fd: number;

  /** `fd`: an open descriptor; from here on this object closes it. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The descriptor's number, borrowed. Throws `TypeError` when it is closed. */
  get number(): number {
    if (this.#fd < 0) {
      throw new TypeError("Cannot use a descriptor: it is closed");
    }
    return this.#fd;
  }

  /** Whether it is still open here. */
  get isOpen(): boolean {
    return this.#fd >= 0;
  }

  /** Closes it; again is harmless. `close(2)` is never retried: on Linux the number is gone even after EINTR. */
  close(): void {
    if (this.#fd < 0) return;
    libc.close(this.#fd);
    this.#fd = -1;
  }

  /** Gives the ownership away. Returns the number, which the caller closes. */
  release(): number {
    const fd = this.number;
    this.#fd = -1;
    return fd;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** `fcntl(2)` with a number, which C declares as a variable argument. */
function fcntl(fd: number, command: number, argument: number): number {
  return ON_STACK
    ? libc.fcntlOnStack(fd, command, 0n, 0n, 0n, 0n, 0n, 0n, argument)
    : libc.fcntl(fd, command, argument);
}

/**
 * A descriptor that this process was started with, by its number in an argument. No process that it starts has it. It
 * is the caller's from here on.
 */
export function inheritedFd(number: string | undefined): Fd {
  const fd = new Fd(Number(number));
  setInherit(fd.number, false);
  return fd;
}

/**
 * Decides whether a program started from here inherits a descriptor, `fcntl(2)` F_SETFD. Throws `PosixError` when the
 * descriptor is not open.
 */
export function setInherit(fd: number, inherit: boolean): void {
  check(fcntl(fd, F_SETFD, inherit ? 0 : FD_CLOEXEC), "fcntl");
}

/**
 * Makes a number refer to what a descriptor refers to, `dup2(2)`; a program that this process becomes inherits it.
 * What the number was before is closed. `fd`: the descriptor, borrowed; it stays open. Throws `PosixError` when the
 * descriptor is not open.
 */
export function putOver(fd: number, over: number): void {
  check(libc.dup2(fd, over), "dup2");
}

/**
 * Lets no program that this process becomes inherit a descriptor above a bound: `close_range(2)`
 * CLOSE_RANGE_CLOEXEC, or each by its number. They stay open until then.
 */
export function closeOnExec(above: number): void {
  const { close_range } = libc;
  if (close_range?.(above + 1, LAST_FD, CLOSE_RANGE_CLOEXEC) === 0) return;
  for (const fd of openDescriptors(MOST_DESCRIPTORS)) {
    if (fd > above) setInherit(fd, false);
  }
}

/**
 * Sets or clears `O_NONBLOCK`. It belongs to the open file: every process that has it sees the change. Throws
 * `PosixError` when the descriptor is not open.
 */
export function setNonblocking(fd: number, nonblocking: boolean): void {
  const flags = check(fcntl(fd, F_GETFL, 0), "fcntl");
  const wanted = nonblocking ? flags | abi.O_NONBLOCK : flags & ~abi.O_NONBLOCK;
  if (wanted !== flags) check(fcntl(fd, F_SETFL, wanted), "fcntl");
}

/**
 * The descriptors that are open in this process below a bound, by asking for all at once, `poll(2)`
 * POLLNVAL: `/proc` would need more permission than we ask for. macOS looks at no descriptor that is polled for no
 * event, and says POLLNVAL of devices (poll_nocancel() in XNU's bsd/kern/sys_generic.c): there each is asked for.
 */
export function openDescriptors(below = 4096): number[] {
  const table = new Int32Array(2 * below); // struct pollfd {int fd; short events; short revents}
  for (let fd = 0; fd < below; fd++) table[2 * fd] = fd;
  const open: number[] = [];
  const isDarwin = abi.sockaddrHasLength;
  if (isDarwin || libc.poll(new Uint8Array(table.buffer), below, 0) < 0) {
    // More than may be asked for at once: as many as this process may open.
    for (let fd = 0; fd < below; fd++) {
      if (fcntl(fd, F_GETFD, 0) >= 0) open.push(fd);
    }
    return open;
  }
  for (let fd = 0; fd < below; fd++) {
    if (((table[2 * fd + 1]! >> 16) & POLLNVAL) === 0) open.push(fd);
  }
  return open;
}

/* Files that are in memory and have no name: `memfd_create(2)`. */

const MFD_CLOEXEC = 1; // linux/memfd.h

/**
 * Makes one; it is there for as long as somebody holds it. `label`: what `/proc/PID/fd` shows of it. `bytes`: what is
 * in it, to be read from its beginning. Returns its descriptor, close-on-exec, the caller's to close; null where the
 * system has no such files. Throws `PosixError` when descriptors or memory run out.
 */
export function memoryFile(
  label: string,
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0),
): Fd | null {
  const { memfd_create } = libc;
  if (!memfd_create) return null;
  const name = new TextEncoder().encode(`${label}\0`);
  const file = new Fd(check(memfd_create(name, MFD_CLOEXEC), "memfd_create"));
  try {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at);
      const count = libc.pwrite(file.number, part, part.length, BigInt(at));
      at += check(count, "pwrite");
    }
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}
