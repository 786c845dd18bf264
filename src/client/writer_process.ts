/**
 * The parent's side of its writing process: starting it, handing it the connection, hearing from
 * it, and ending it. The first one starts before anything else of the client is read: it takes as long to start as
 * that takes to read, and the two go on at the same time.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";
import { type Fd, setInherit } from "../posix/fd.ts";
import { receiveFd, sendFd } from "../posix/net/handover.ts";
import { shutdownWrite, socketPair } from "../posix/net/sockets.ts";
import { roleCommand, runtimeEnvironment } from "../runtime/roles.ts";
import {
  decodeWriterReport,
  encodeSocket,
  type Order,
  WRITER_REPORT_SIZE,
  type WriterReport,
} from "./writer_reports.ts";

/** How long a writer may take to end before it is killed, in milliseconds. It waits for nothing then. */
const PATIENCE = 10_000;

/** A writing process. It inherits standard input, and touches it once it has the connection. */
export class Writer implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  /** Our end; closed when the writer has closed its own. */
  readonly #channel: Fd;
  #report: WriterReport = { kind: "progress", sent: 0, unsent: 0, text: "" };

  private constructor(process: Deno.ChildProcess, channel: Fd) {
    this.#process = process;
    this.#channel = channel;
  }

  /**
   * Starts one. It may be started before there is a connection. Returns the writer, the caller's to dispose of.
   * Throws `PosixError` when descriptors run out. Throws `Error` when the system starts no process.
   */
  static start(): Writer {
    const [ours, theirs] = socketPair();
    try {
      setInherit(theirs.number, true);
      const command = roleCommand("@writer", [String(theirs.number)], {
        permissions: ["--allow-ffi"],
      });
      // The spawn is synchronous: no other process of ours can inherit the writer's end.
      const process = new Deno.Command(command.program, {
        args: command.args,
        env: runtimeEnvironment(),
        clearEnv: true,
        stdin: "inherit",
        stdout: "null",
        stderr: "inherit",
      }).spawn();
      return new Writer(process, ours);
    } catch (error) {
      ours.close();
      throw error;
    } finally {
      theirs.close();
    }
  }

  /** The descriptor to wait on for reports, borrowed; -1 when there will be none. */
  get channel(): number {
    return this.#channel.isOpen ? this.#channel.number : -1;
  }

  get report(): WriterReport {
    return this.#report;
  }

  /**
   * Hands the connection over: from here on the writer sends. Throws `PosixError` when the system lets no descriptor
   * through.
   */
  hand(socket: number, order: Order): void {
    try {
      sendFd(this.#channel.number, encodeSocket(order), socket);
    } catch (error) {
      // It is gone already: the channel's end of file tells, and `stop` says how.
      const gone = error instanceof PosixError &&
        ["EPIPE", "ECONNRESET"].includes(error.code);
      if (!gone) throw error;
    }
  }

  /**
   * Takes the reports that are there, without waiting. Returns whether there may be more: false when the writer has
   * ended.
   */
  receive(): boolean {
    while (this.#channel.isOpen) {
      const received = receiveFd(this.#channel.number, {
        wait: false,
        size: WRITER_REPORT_SIZE,
      });
      if (received === null) return true;
      if (received === "end") this.#channel.close();
      else this.#report = decodeWriterReport(received.data);
    }
    return false;
  }

  /**
   * Ends the writer, if it has not ended, and reaps it. Throws `Error` when it ended by itself without one: it was
   * killed, or failed.
   */
  async stop(): Promise<WriterReport> {
    if (this.receive()) endOfFile(this.#channel.number);
    const limit = AbortSignal.timeout(PATIENCE); // takes less to load than `setTimeout`
    const kill = () => this.kill();
    limit.addEventListener("abort", kill);
    const status = await this.#process.status;
    limit.removeEventListener("abort", kill);
    this.receive();
    if (this.#report.kind !== "progress" || limit.aborted) return this.#report;
    const how = status.signal
      ? `killed by ${status.signal}`
      : `exit code ${status.code}`;
    throw new Error(
      `The writing process exited before the end of input: ${how}: ${this.#report.sent} bytes were sent`,
    );
  }

  /** Kills the writer, if it still runs. */
  kill(): void {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }

  /** Kills the writer, if it still runs, and reaps it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel.close();
    this.kill();
    await this.#process.status;
  }
}

/** Ends our side of the channel, so that the writer ends and we still hear its last report. */
function endOfFile(channel: number): void {
  try {
    shutdownWrite(channel);
  } catch (error) {
    if (!(error instanceof PosixError)) throw error; // it has just ended: nothing is left to say
  }
}

/** The one that was started early; null when there is none, or somebody has it. */
let early: Writer | null = null;
/** Words with which no writer is needed. */
const WITHOUT = /^(--(lock-step|help(-all)?|version)|-h)$/;

/** Starts the first one, unless the command line plainly needs none. `words`: the command line of `client`. */
export function startEarly(words: readonly string[]): void {
  if (words.some((word) => WITHOUT.test(word))) return;
  try {
    early = Writer.start();
  } catch {
    return; // the code that needs one reports the reason
  }
  addEventListener("unload", () => early?.kill()); // such as where the command line is wrong
}

/**
 * The one that was started early, once; else a new one. The caller's to dispose of. Throws `Error` when the system
 * starts no process.
 */
export function takeWriter(): Writer {
  const writer = early ?? Writer.start();
  early = null;
  return writer;
}
