/**
 * The parent's side of one zygote: starting it, handing descriptors to it, hearing its reports.
 *
 * @module
 */
import type { ChildOptions } from "../child/options.ts";
import {
  decodeReport,
  encodeHandover,
  type Handover,
  type Report,
} from "../child/wire.ts";
import { guard } from "./warden.ts";
import { startZygote } from "./zygote_process.ts";
import { POLLIN } from "../posix/abi.ts";
import { receiveAttributed } from "../posix/credentials.ts";
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import { receiveFd, sendFd } from "../posix/handover.ts";
import type { Watcher } from "../posix/watcher.ts";

/** What a zygote tells. */
export interface ZygoteEvents {
  /** A report of the zygote or of one of its children: `pid` is the sender, by the kernel's word. */
  report(zygote: Zygote, pid: number, report: Report): void;
  /** A process below this zygote sent something that is no report. */
  garbage(zygote: Zygote, pid: number): void;
  /** One of its children was ended, or another trouble. */
  trouble(what: string): void;
  /** It has gone, and nothing that was handed to it can still be taken. */
  gone(zygote: Zygote): void;
  /** Its process was reaped. */
  exited(zygote: Zygote, status: Deno.CommandStatus): void;
}

/** One zygote process. */
export class Zygote {
  /** Whether it has said that it can fork. */
  isReady = false;
  /** How many descriptors were handed to it that no child has taken. */
  untaken = 0;
  /** How many descriptors were ever handed to it. */
  handed = 0;
  /** How often it was handed a descriptor when it had none. */
  spells = 0;
  /** How many reports came from it and its children. */
  reports = 0;
  readonly #process: Deno.ChildProcess;
  /** Down; closed when the zygote is gone or wanted no more. */
  readonly #channel: Fd;
  /** Up, from the zygote and all its children; closed when the last of them has ended. */
  readonly #reports: Fd;
  readonly #watcher: Watcher;
  readonly #events: ZygoteEvents;

  /**
   * Starts the process, unless it was started early.
   *
   * @param options How its children serve.
   * @param watcher Watches its sockets.
   * @param events Is told what happens.
   * @throws {Error} When descriptors or processes run out.
   */
  constructor(options: ChildOptions, watcher: Watcher, events: ZygoteEvents) {
    this.#watcher = watcher;
    this.#events = events;
    const { process, channel, reports } = startZygote(options);
    this.#process = process;
    this.#channel = channel;
    this.#reports = reports;
    watcher.watch(reports.number, POLLIN, () => this.readReports());
    watcher.watch(channel.number, POLLIN, () => this.#readChannel());
    this.#process.status.then((status) => events.exited(this, status));
  }

  /** The process id. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Whether descriptors can still be handed to it. */
  get isOpen(): boolean {
    return this.#channel.isOpen;
  }

  /**
   * Hands a descriptor over.
   *
   * @param handover What it is.
   * @param fd The descriptor, borrowed.
   * @returns Whether it went; false when the channel is full or the zygote has just gone.
   * @throws {PosixError} When the system refuses, such as ETOOMANYREFS.
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

  /** Reads the reports that are there. */
  readReports(): void {
    while (this.#reports.isOpen) {
      const received = receiveAttributed(this.#reports.number);
      if (received === null) return;
      if (received === "end") {
        this.#watcher.unwatch(this.#reports.number);
        this.#reports.close();
        return;
      }
      const report = decodeReport(received.data);
      if (report) this.#events.report(this, received.pid, report);
      else this.#events.garbage(this, received.pid);
    }
  }

  /** Wants no more children of it: it ends when the last has. */
  hangUp(): void {
    if (!this.#channel.isOpen) return;
    this.#watcher.unwatch(this.#channel.number);
    this.#channel.close();
  }

  /**
   * Sends it a signal.
   *
   * @param signal Which.
   */
  kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch {
      // It has exited, and its status is about to arrive.
    }
  }

  /** What comes up the channel is its sandbox, to be listened to, and the end. */
  #readChannel(): void {
    if (!this.#channel.isOpen) return;
    const received = receiveFd(this.#channel.number, { wait: false });
    if (received === null) return;
    if (received !== "end") {
      const trouble = (what: string) => this.#events.trouble(what);
      if (received.fd) {
        guard(received.fd, this.#watcher, trouble, () => ({
          pid: this.pid,
          isReady: this.isReady,
          isZygote: true,
        }));
      }
      return;
    }
    this.readReports(); // every `took` was sent before this end (point 6 of the wire)
    this.hangUp();
    this.#events.gone(this);
  }
}

/**
 * The zygote that has least to do.
 *
 * @param zygotes To choose from.
 * @param most So many untaken descriptors, and a zygote gets no more.
 * @returns One that is ready; null when none can take a descriptor at this moment.
 */
export function leastBusy(
  zygotes: Iterable<Zygote>,
  most: number,
): Zygote | null {
  let best: Zygote | null = null;
  for (const zygote of zygotes) {
    if (!zygote.isReady || !zygote.isOpen || zygote.untaken >= most) continue;
    if (best === null || hasLessToDo(zygote, best)) best = zygote;
  }
  return best;
}

/** Fewer that wait for it; of equals, the one that was given fewer, so that they take turns. */
function hasLessToDo(zygote: Zygote, than: Zygote): boolean {
  if (zygote.untaken !== than.untaken) return zygote.untaken < than.untaken;
  return zygote.handed < than.handed;
}
