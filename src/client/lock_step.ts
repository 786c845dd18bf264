/**
 * The client before routines were split, for comparison: one process that sends a line, waits until
 * as many bytes have come back, prints them, and only then takes the next line.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { poll, read, write } from "../posix/io.ts";
import { setProcessName } from "../posix/process.ts";
import { reasonOf } from "../posix/reason.ts";
import {
  type ClientOptions,
  connect,
  greet,
  Idleness,
  verdict,
} from "./conversation.ts";
import { Output } from "./output.ts";
import {
  type Ending,
  endOfInput,
  halfClose,
  QuitScanner,
  socketFailure,
} from "./input.ts";

const { POLLIN, POLLOUT } = abi;

const STDIN = 0;
const BUFFER_SIZE = 256 * 1024;
const NOTHING = new Uint8Array(0);

/**
 * Talks to a server line by line until it ends its side of the connection. Throws `Error` when something went wrong;
 * the message is for a person.
 */
export async function runLockStep(options: ClientOptions): Promise<void> {
  setProcessName("mpclient");
  using connection = await connect(options.target, options.connectTimeout);
  greet(options);
  const output = new Output(options.prefix);
  try {
    const complaint = new LockStep(connection.fd, options, output).run();
    if (complaint !== null) throw new Error(complaint);
  } catch (error) {
    output.endLine();
    throw error;
  }
}

/** One conversation. The socket is borrowed, and non-blocking. */
class LockStep {
  readonly #socket: number;
  readonly #options: ClientOptions;
  readonly #output: Output;
  readonly #scanner: QuitScanner | null;
  readonly #lines = new LineQueue();
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  /** The unsent rest of the current line. */
  #line = NOTHING;
  #sent = 0;
  #inputEnded = false;
  /** How sending ended; null while it goes on. */
  #ending: Ending | null = null;
  /** Why reading the connection failed. */
  #failure: string | null = null;
  readonly #idleness: Idleness;
  /** The time-out that ended it. */
  #idle: number | undefined;

  constructor(socket: number, options: ClientOptions, output: Output) {
    this.#socket = socket;
    this.#options = options;
    this.#output = output;
    this.#scanner = options.raw ? null : new QuitScanner();
    this.#idleness = new Idleness(options.idleTimeout ?? 0);
  }

  /** Goes on to the end; what to tell the person is null when all went well. */
  run(): string | null {
    while (this.#step());
    const [kind, text = ""] = this.#ending ?? ["stopped"];
    return verdict({
      report: { kind, text, sent: this.#sent, unsent: this.#line.length },
      received: this.#output.received,
      failure: this.#failure,
      raw: this.#options.raw,
      idle: this.#idle,
    });
  }

  /** Does what can be done next; false when nothing is left. */
  #step(): boolean {
    if (this.#mayTakeLine()) this.#takeLine();
    const sends = this.#ending === null && this.#line.length > 0;
    const [input = 0, socket = 0] = poll([
      { fd: this.#mayTakeLine() ? STDIN : -1, events: POLLIN },
      { fd: this.#socket, events: sends ? POLLIN | POLLOUT : POLLIN },
    ], this.#idleness.wait);
    if (input === 0 && socket === 0) {
      this.#idle = this.#options.idleTimeout;
      return false;
    }
    this.#idleness.stir();
    // The socket is read while a line is sent: a server that echoes a long one would block otherwise.
    if (socket & ~POLLOUT && !this.#receive()) return false;
    if (socket & POLLOUT) this.#send();
    return input === 0 || this.#readInput();
  }

  /** Whether it is the input's turn: the last line was sent, and as many bytes came back. */
  #mayTakeLine(): boolean {
    return this.#ending === null && this.#line.length === 0 &&
      this.#output.received >= this.#sent;
  }

  #takeLine(): void {
    this.#line = this.#lines.take() ?? NOTHING;
    if (this.#line.length === 0 && this.#inputEnded) {
      this.#ending = this.#scanner?.quit
        ? halfClose(this.#socket)
        : endOfInput(this.#socket, this.#options.noShutdown ?? false);
    }
  }

  #readInput(): boolean {
    try {
      const count = read(STDIN, this.#buffer);
      const chunk = this.#buffer.subarray(0, Math.max(count, 0));
      this.#lines.push(
        this.#scanner === null ? chunk : this.#scanner.push(chunk),
      );
      if (count === 0) this.#scanner?.end();
      this.#inputEnded = count === 0 || this.#scanner?.quit === true;
      if (this.#inputEnded) this.#lines.end();
      return true;
    } catch (error) {
      this.#ending = ["input-failed", reasonOf(error)];
      return false;
    }
  }

  #send(): void {
    try {
      const count = Math.max(write(this.#socket, this.#line), 0);
      this.#sent += count;
      this.#line = this.#line.subarray(count);
    } catch (error) {
      this.#ending = socketFailure(error); // what the server sent is still read
    }
  }

  /** Prints what came; false at the end. */
  #receive(): boolean {
    let count: number;
    try {
      count = read(this.#socket, this.#buffer);
    } catch (error) {
      this.#failure = reasonOf(error);
      return false;
    }
    if (count > 0) this.#output.print(this.#buffer.subarray(0, count));
    return count !== 0;
  }
}

const NEWLINE = 0x0a;
/** The longest piece, in bytes: a longer line comes in several, as `fgets(3)` gives it. */
export const LONGEST_PIECE = 64 * 1024;

/** Takes input as it comes and gives it line by line. */
export class LineQueue {
  #waiting = new Uint8Array(0);
  #ended = false;

  /** Takes the next bytes, which are copied. `chunk`: the bytes, any number of them. */
  push(chunk: Uint8Array): void {
    const both = new Uint8Array(this.#waiting.length + chunk.length);
    both.set(this.#waiting);
    both.set(chunk, this.#waiting.length);
    this.#waiting = both;
  }

  /** Says that no more comes: what waits without a newline is the last line. */
  end(): void {
    this.#ended = true;
  }

  /**
   * Gives the next line. Returns the line with its newline, {@linkcode LONGEST_PIECE} bytes of it at most; null when
   * there is none yet, or, after {@linkcode end}, no more.
   */
  take(): Uint8Array<ArrayBuffer> | null {
    const waiting = this.#waiting;
    const newline = waiting.subarray(0, LONGEST_PIECE).indexOf(NEWLINE);
    const whole = newline >= 0 || this.#ended ||
      waiting.length >= LONGEST_PIECE;
    if (!whole || waiting.length === 0) return null;
    const length = newline >= 0 ? newline + 1 : LONGEST_PIECE;
    this.#waiting = waiting.subarray(length);
    return waiting.subarray(0, length);
  }
}
