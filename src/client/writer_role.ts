/**
 * The writing process (role `@writer`): standard input goes to the connection, and nothing waits for
 * replies. The connection comes from the parent over a channel; so does the word to end.
 *
 * @module
 */
import "../posix/open_when_called.ts"; // before all that calls the C library
import { abi } from "../posix/abi.ts";
import { inheritedFd } from "../posix/fd.ts";
import { poll, read, write } from "../posix/io.ts";
import { openNow } from "../posix/libc.ts";
import { receiveFd, sendFd } from "../posix/net/handover.ts";
import { setProcessName } from "../posix/process.ts";
import { reasonOf } from "../posix/reason.ts";
import { revokePermissions } from "../runtime/permissions.ts";
import {
  type Ending,
  endOfInput,
  halfClose,
  QuitScanner,
  socketFailure,
} from "./input.ts";
import {
  decodeSocket,
  encodeWriterReport,
  SOCKET_SIZE,
  type WriterReportKind,
} from "./writer_reports.ts";

const { POLLIN, POLLOUT } = abi;

const STDIN = 0;
/** The functions of the C library that it calls after it can open no more; the last four give reasons of failures. */
const CALLED = [
  ...["close", "poll", "read", "recvmsg", "sendmsg", "shutdown", "write"],
  ...["__error", "__xpg_strerror_r", "memcpy", "strerror_r"],
] as const;
const BUFFER_SIZE = 256 * 1024;

/** Runs the process to its end. Throws `TypeError` when something else than the connection comes over the channel. */
export function run(args: readonly string[]): never {
  send(args);
  return Deno.exit(); // the parent waits for it: the end of an event loop takes longer
}

function send(args: readonly string[]): void {
  openNow(...CALLED);
  using channel = inheritedFd(args[0]);
  setProcessName("mpclient:write");
  revokePermissions();
  const received = receiveFd(channel.number, { wait: true, size: SOCKET_SIZE });
  if (received === "end" || received === null) return; // the parent could not connect, or is gone
  using socket = received.fd;
  const order = decodeSocket(received.data);
  if (socket === null || order === null) {
    throw new TypeError("Cannot send: something else than a connection came");
  }
  const scanner = order.raw ? null : new QuitScanner();
  new Sending(socket.number, channel.number, order.noShutdown ?? false).run(
    scanner,
  );
}

/** One connection's input on its way out. Both descriptors are borrowed. */
class Sending {
  readonly #socket: number;
  readonly #channel: number;
  readonly #noShutdown: boolean;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  #sent = 0;
  #unsent = 0;

  constructor(socket: number, channel: number, noShutdown: boolean) {
    this.#socket = socket;
    this.#channel = channel;
    this.#noShutdown = noShutdown;
  }

  run(scanner: QuitScanner | null): void {
    let ending: Ending | null = null;
    while (ending === null) ending = this.#step(scanner);
    this.#report(...ending);
  }

  #step(scanner: QuitScanner | null): Ending | null {
    const chunk = this.#read();
    if (!(chunk instanceof Uint8Array)) return chunk;
    const isOver = chunk.length === 0;
    if (isOver) scanner?.end();
    const ending = this.#send(scanner === null ? chunk : scanner.push(chunk));
    if (ending !== null) return ending;
    if (scanner?.quit) return halfClose(this.#socket);
    return isOver ? endOfInput(this.#socket, this.#noShutdown) : null;
  }

  /** The next bytes of the input; none at its end. */
  #read(): Uint8Array<ArrayBuffer> | Ending {
    let count: number;
    try {
      do {
        if (!this.#ready(STDIN, POLLIN)) return ["stopped"];
        count = read(STDIN, this.#buffer);
      } while (count < 0);
    } catch (error) {
      return ["input-failed", reasonOf(error)];
    }
    return this.#buffer.subarray(0, count);
  }

  /** Sends all of it. The socket is non-blocking: it is in the parent's event loop as well. */
  #send(bytes: Uint8Array<ArrayBuffer>): Ending | null {
    let rest = bytes;
    try {
      while (rest.length > 0) {
        const count = write(this.#socket, rest);
        if (count > 0) {
          this.#sent += count;
          rest = rest.subarray(count);
          if (this.#hasRoom()) this.#report("progress");
        } else if (!this.#ready(this.#socket, POLLOUT)) {
          this.#unsent = rest.length;
          return ["stopped"];
        }
      }
      return null;
    } catch (error) {
      this.#unsent = rest.length;
      return socketFailure(error);
    }
  }

  /** Waits until a descriptor is ready; false when the parent wants an end. */
  #ready(fd: number, events: number): boolean {
    const [, end] = poll([{ fd, events }, {
      fd: this.#channel,
      events: POLLIN,
    }]);
    return end === 0;
  }

  /** Whether the channel is empty enough for a report that may be left out. */
  #hasRoom(): boolean {
    const [room] = poll([{ fd: this.#channel, events: POLLOUT }], 0);
    return room === POLLOUT;
  }

  #report(kind: WriterReportKind, text = ""): void {
    try {
      const report = { kind, sent: this.#sent, unsent: this.#unsent, text };
      sendFd(this.#channel, encodeWriterReport(report), null);
    } catch {
      // The parent is gone: there is no receiver for a report, and the next wait ends this process.
    }
  }
}

if (import.meta.main) await run(Deno.args);
