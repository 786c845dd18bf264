/**
 * The parent's side of one zygote: starting it, handing descriptors to it, hearing its reports.
 *
 * @module
 */
import { abi, SIGNALS } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import {
  MOST_QUEUED,
  receiveUntrusted,
  sendFd,
} from "../posix/net/handover.ts";
import { endWriting } from "../posix/net/sockets.ts";
import { processStat } from "../posix/proc.ts";
import type { Watcher } from "../posix/watcher.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import {
  decodeReport,
  encodeHandover,
  type Handover,
  type Report,
} from "../wire/records.ts";
import { earlyZygote, type RuntimeProcess } from "./runtime_process.ts";
import { guard } from "./strict_guard.ts";

export interface ZygoteEvents {
  /** A report of one of its children: `pid` is the sender, by the kernel's word. */
  childReport(zygote: Zygote, pid: number, report: Report): void;
  /** A report of the zygote itself. */
  report(zygote: Zygote, report: Report): void;
  /** A process sent something that is no report: by the kernel's word it is this one. */
  garbage(zygote: Zygote, pid: number): void;
  /** One of its children was ended, or another trouble. */
  trouble(what: string): void;
  /** Its children cannot report any more: it gets nothing more to do. */
  silenced(zygote: Zygote): void;
  /** It has gone, and nothing that was handed to it can still be taken. */
  gone(zygote: Zygote): void;
  /** Its process was reaped. */
  exited(zygote: Zygote, status: Deno.CommandStatus): void;
}

/** One zygote process, as all others know it. */
export type Zygote = Pick<ZygoteLink, keyof ZygoteLink>;

/** One zygote process, and the sockets to it. */
export class ZygoteLink {
  /** Whether it has said that it can fork. */
  isReady = false;
  /** How many descriptors were handed to it that no child has taken. */
  untaken = 0;
  /** How many descriptors were ever handed to it. */
  handed = 0;
  /** How often it was handed a descriptor when it had none. */
  batches = 0;
  /** How many reports came from it and its children. */
  reports = 0;
  readonly #process: RuntimeProcess;
  /** Both ways; closed when nothing that was handed to it can still be taken. */
  readonly #channel: Fd;
  /** Up, from its children; closed when the last of them has ended. */
  readonly #reports: Fd;
  /** It is to get no descriptor any more. */
  #isHungUp = false;
  #isGuarded = false;
  readonly #watcher: Watcher;
  readonly #events: ZygoteEvents;

  /** Starts the process, unless it was started early. Throws `Error` when descriptors or processes run out. */
  constructor(options: ChildOptions, watcher: Watcher, events: ZygoteEvents) {
    this.#watcher = watcher;
    this.#events = events;
    const { process, channel, reports, end } = earlyZygote.take(options);
    this.#process = process;
    this.end = end;
    this.#channel = channel;
    this.#reports = reports;
    watcher.watch(reports.number, abi.POLLIN, () => this.readReports());
    watcher.watch(channel.number, abi.POLLIN, () => this.#readChannel());
    this.#process.status.then((status) => events.exited(this, status));
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Whether descriptors can still be handed to it. */
  get isOpen(): boolean {
    return this.#channel.isOpen && !this.#isHungUp;
  }

  /** Whether nothing that was handed to it can be taken any more. */
  get isGone(): boolean {
    return !this.#channel.isOpen;
  }

  /** The zygote's end of the channel, as `/proc/PID/fd` shows it; null where nothing does. */
  readonly end: string | null;

  /**
   * Hands a descriptor over. `fd`: the descriptor, borrowed. Returns whether it went; false when the channel is full
   * or the zygote has just gone. Throws `PosixError` when the system refuses, such as ETOOMANYREFS.
   */
  send(handover: Handover, fd: number): boolean {
    try {
      return sendFd(this.#channel.number, encodeHandover(handover), fd);
    } catch (error) {
      const code = error instanceof PosixError ? error.code : "";
      if (code === "EPIPE" || code === "ECONNRESET") return false; // its end of file is on its way
      throw error;
    }
  }

  /** Reads the reports of its children that are there. */
  readReports(): void {
    for (let i = 0; i < MOST_QUEUED && this.#reports.isOpen; i++) {
      const received = receiveUntrusted(this.#reports.number);
      if (received === null) return;
      if (received === "end") return this.#stopListening();
      const { pid, fd, data } = received;
      fd?.close(); // none is expected
      const report = fd ? null : decodeReport(data);
      if (report) this.#events.childReport(this, pid, report);
      else this.#events.garbage(this, pid);
    }
  }

  /** Wants no more children of it: it ends when the last has. */
  hangUp(): void {
    if (!this.isOpen) return;
    this.#isHungUp = true;
    endWriting(this.#channel.number);
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.#process.handle.signal(SIGNALS[signal]);
  }

  /** Reads all that is there of it and its children. */
  readAll(): void {
    this.#readChannel();
    this.readReports();
  }

  /** No child can report any more. If the zygote is alive, one of its children has shut the socket down. */
  #stopListening(): void {
    this.#watcher.unwatch(this.#reports.number);
    this.#reports.close();
    if (!this.isOpen) return;
    // It has gone or is about to, as will be read in a moment: it closes one descriptor after the other.
    if (processStat(this.pid)?.isEnding !== false) return;
    this.hangUp();
    this.#events.silenced(this);
  }

  /** Reads the zygote's own channel: its reports, its sandbox and its end. */
  #readChannel(): void {
    for (let i = 0; i < MOST_QUEUED && this.#channel.isOpen; i++) {
      const received = receiveUntrusted(this.#channel.number);
      if (received === null) return;
      const report = received === "end" || received.fd
        ? null
        : decodeReport(received.data); // valid until the next receive
      if (received === "end") return this.#leave();
      if (report) this.#events.report(this, report);
      else if (received.fd && !this.#isGuarded) this.#guard(received.fd);
      else {
        received.fd?.close();
        this.#events.garbage(this, this.pid);
      }
    }
  }

  #guard(listener: Fd): void {
    this.#isGuarded = true;
    const trouble = (what: string) => this.#events.trouble(what);
    guard(listener, this.#watcher, trouble, () => ({
      pid: this.pid,
      isReady: this.isReady,
      isZygote: true,
    }));
  }

  #leave(): void {
    this.readReports(); // its children's reports came before its end (point 7 of the wire)
    if (!this.#channel.isOpen) return;
    this.#watcher.unwatch(this.#channel.number);
    this.#channel.close();
    this.#events.gone(this);
  }
}
