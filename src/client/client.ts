/**
 * The client: this process reads the connection, another one writes it, and neither waits for the
 * other.
 *
 * The parent's side of its writing process: starting it, handing it the connection, hearing from
 * it, and ending it.
 *
 * @module
 */
import { POLLIN } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { type Fd, setInherit } from "../posix/fd.ts";
import { poll, read } from "../posix/io.ts";
import { receiveFd, sendFd } from "../posix/net/handover.ts";
import { shutdownWrite, socketPair } from "../posix/net/sockets.ts";
import { setProcessName } from "../posix/process.ts";
import { reasonOf } from "../posix/reason.ts";
import { roleCommand, runtimeEnvironment } from "../runtime/roles.ts";
import {
  type ClientOptions,
  connect,
  greet,
  Idleness,
  verdict,
} from "./conversation.ts";
import { Output } from "./output.ts";
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
class Writer implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  /** Our end; closed when the writer has closed its own. */
  readonly #channel: Fd;
  #report: WriterReport = { kind: "progress", sent: 0, unsent: 0, text: "" };

  private constructor(process: Deno.ChildProcess, channel: Fd) {
    this.#process = process;
    this.#channel = channel;
  }

  /**
   * Starts one. It may be started before there is a connection.
   *
   * @returns The writer, the caller's to dispose of.
   * @throws {PosixError} When descriptors run out.
   * @throws {Error} When the system starts no process.
   */
  static start(mode: "text" | "raw"): Writer {
    const [ours, theirs] = socketPair();
    try {
      setInherit(theirs.number, true);
      const args = [String(theirs.number), mode];
      const command = roleCommand("@writer", args, {
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

  /** The newest report. */
  get report(): WriterReport {
    return this.#report;
  }

  /**
   * Hands the connection over: from here on the writer sends.
   *
   * @throws {PosixError} When the system lets no descriptor through.
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
   * Takes the reports that are there, without waiting.
   *
   * @returns Whether there may be more: false when the writer has ended.
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
   * Ends the writer, if it has not ended, and reaps it.
   *
   * @throws {Error} When it ended by itself without one: it was killed, or failed.
   */
  async stop(): Promise<WriterReport> {
    if (this.receive()) endOfFile(this.#channel.number);
    let overdue = false;
    const timer = setTimeout(() => {
      overdue = true;
      this.#process.kill("SIGKILL");
    }, PATIENCE);
    const status = await this.#process.status;
    clearTimeout(timer);
    this.receive();
    if (this.#report.kind !== "progress" || overdue) return this.#report;
    const how = status.signal
      ? `killed by ${status.signal}`
      : `exit code ${status.code}`;
    throw new Error(
      `The writing process exited before the end of input: ${how}: ${this.#report.sent} bytes were sent`,
    );
  }

  /** Kills the writer, if it still runs, and reaps it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel.close();
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
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

const BUFFER_SIZE = 256 * 1024;

/**
 * Talks to a server until it ends its side of the connection. The writing process is gone when this
 * returns or throws.
 *
 * @throws {Error} When something went wrong; the message is for a person.
 */
export async function runClient(options: ClientOptions): Promise<void> {
  setProcessName("mpclient");
  // Its start takes longer than connecting does: the two go on at the same time.
  await using writer = Writer.start(options.raw ? "raw" : "text");
  using connection = await connect(options.target, options.connectTimeout);
  greet(options);
  writer.hand(connection.fd, options);
  const output = new Output(options.prefix);
  try {
    const end = readToEnd(
      connection.fd,
      writer,
      output,
      options.idleTimeout ?? 0,
    );
    const report = await writer.stop();
    const { received } = output;
    const complaint = verdict({ report, received, raw: options.raw, ...end });
    if (complaint !== null) throw new Error(complaint);
  } catch (error) {
    output.endLine();
    throw error;
  }
}

/**
 * Prints what comes until the server ends its side, or the writer cannot do its part. A writer that
 * is done, or that the connection failed, is no reason to stop: what the server sent is still there.
 *
 * @returns Why reading failed, null when it did not; and the time-out that ended it, if one did.
 */
function readToEnd(
  socket: number,
  writer: Writer,
  output: Output,
  idleTimeout: number,
): { failure: string | null; idle?: number } {
  const buffer = new Uint8Array(BUFFER_SIZE);
  const idleness = new Idleness(idleTimeout);
  for (;;) {
    const [data, reports] = poll([
      { fd: socket, events: POLLIN },
      { fd: writer.channel, events: POLLIN },
    ], idleness.wait);
    if (data === 0 && reports === 0) {
      return { failure: null, idle: idleTimeout };
    }
    idleness.stir();
    if (reports !== 0 && !writer.receive()) {
      const { kind } = writer.report;
      if (kind === "progress" || kind === "input-failed") {
        return { failure: null };
      }
    }
    if (data === 0) continue;
    const count = tryRead(socket, buffer);
    if (typeof count === "string") return { failure: count };
    if (count === 0) return { failure: null };
    if (count > 0) output.print(buffer.subarray(0, count));
  }
}

/** How many bytes came, as {@linkcode read} says it, or why reading failed. */
function tryRead(
  socket: number,
  buffer: Uint8Array<ArrayBuffer>,
): number | string {
  try {
    return read(socket, buffer);
  } catch (error) {
    return reasonOf(error);
  }
}
