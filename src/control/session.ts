/**
 * One client of the control socket: requests in, answers out, in bounded memory and time.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import type { Fd } from "../posix/fd.ts";
import { sendFd } from "../posix/net/handover.ts";
import { receiveNow, sendNow } from "../posix/io.ts";
import type { Watcher } from "../posix/watcher.ts";
import { PATIENCE, type Request, REQUEST_SIZE } from "./protocol.ts";

const { POLLIN, POLLOUT } = abi;

const LINE_END = 0x0a;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface Reply {
  /**
   * The line in pieces, the last with its end; the next is asked for when the one before is out. An empty one says
   * that there is nothing more until {@linkcode Session.resume}.
   */
  readonly pieces: Iterator<string>;
  /** How long the client may read nothing of what is there, in milliseconds; without it, what a whole answer may take. */
  readonly patience?: number;
  /** A descriptor that goes with the first piece, borrowed, which is then the only one. */
  readonly fd?: number;
}

interface SessionOptions {
  /** The connection, from here on the session's to close. */
  readonly fd: Fd;
  /** Says when it is ready. */
  readonly watcher: Watcher;
  /** Answers a request. Throws `Error` when it cannot be done; the message is the answer. */
  readonly answer: (request: Request, session: Session) => Reply;
  /** Is told when the session is over. */
  readonly ended: (session: Session) => void;
}

/** A client that is heard. */
export class Session {
  readonly #options: SessionOptions;
  readonly #received = new Uint8Array(REQUEST_SIZE);
  #length = 0;
  #pieces: Iterator<string> | null = null;
  #piece = new Uint8Array(0);
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Of an answer that goes on and on, how long it may read nothing; undefined in any other. */
  #patience: number | undefined;
  /** Whether there is nothing more to send until {@linkcode resume}. */
  #isPaused = false;
  /** Whether the listening socket was sent to this client. */
  #hasListener = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#listen();
  }

  /** There may be more of an answer that goes on. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#wait();
    this.#watch(POLLOUT, () => this.#write());
  }

  /** Closes after sending as much of the rest of a continuing answer as can be sent at once. */
  finish(): void {
    try {
      while (this.#patience !== undefined && this.#hasPiece()) {
        if (!this.#sendSome()) break;
      }
    } catch {
      // The client is gone.
    }
    this.close();
  }

  /** Hangs up; again is harmless. */
  close(): void {
    const { fd, watcher, ended } = this.#options;
    if (!fd.isOpen) return;
    clearTimeout(this.#timer);
    watcher.unwatch(fd.number);
    fd.close();
    ended(this);
  }

  /** Waits for a request, or the rest of one. */
  #listen(): void {
    this.#wait();
    this.#watch(POLLIN, () => this.#read());
  }

  #read(): void {
    const room = this.#received.subarray(this.#length);
    const count = receiveNow(this.#options.fd.number, room);
    if (count === 0) return this.close();
    if (count > 0) this.#length += count;
    this.#takeLine();
  }

  /** Answers the first whole line that is there. */
  #takeLine(): void {
    const bytes = this.#received.subarray(0, this.#length);
    const end = bytes.indexOf(LINE_END);
    if (end < 0) {
      // No request is that long: the sender is not one of our commands.
      if (this.#length === REQUEST_SIZE) this.close();
      return;
    }
    const line = decoder.decode(bytes.subarray(0, end));
    this.#received.copyWithin(0, end + 1, this.#length);
    this.#length -= end + 1;
    this.#reply(this.#answer(line));
  }

  #answer(line: string): Reply {
    try {
      return this.#options.answer(parseRequest(line), this);
    } catch (error) {
      const { message } = error as Error;
      return wholeReply({ ok: false, error: message });
    }
  }

  #reply({ pieces, fd, patience }: Reply): void {
    this.#patience = patience;
    this.#wait();
    if (fd !== undefined) {
      const line = encoder.encode(pieces.next().value as string);
      // Closes a session that reads too slowly for one message, before any of it is sent.
      if (!sendFd(this.#options.fd.number, line, fd)) return this.close();
      this.#hasListener = true;
    }
    this.#pieces = pieces;
    this.#watch(POLLOUT, () => this.#write());
  }

  /** One piece a turn, so that other descriptors get theirs. */
  #write(): void {
    if (!this.#hasPiece()) {
      if (this.#patience !== undefined) return this.#pause();
      this.#pieces = null;
      this.#listen();
      return this.#takeLine();
    }
    if (this.#sendSome() && this.#patience !== undefined) this.#wait();
  }

  /** Whether there is something to send. */
  #hasPiece(): boolean {
    if (this.#piece.length === 0) {
      const { value, done } = this.#pieces!.next();
      if (!done) this.#piece = encoder.encode(value);
    }
    return this.#piece.length > 0;
  }

  /** Whether some of it went. */
  #sendSome(): boolean {
    const sent = sendNow(this.#options.fd.number, this.#piece);
    if (sent > 0) this.#piece = this.#piece.subarray(sent);
    return sent > 0;
  }

  /** Nothing is there to be sent: of the client only its end is heard, for it has nothing more to ask. */
  #pause(): void {
    this.#isPaused = true;
    clearTimeout(this.#timer);
    this.#watch(POLLIN, () => {
      const count = receiveNow(this.#options.fd.number, this.#received);
      if (count >= 0) this.close();
    });
  }

  #watch(events: number, ready: () => void): void {
    const { fd, watcher } = this.#options;
    watcher.watch(fd.number, events, () => {
      try {
        if (fd.isOpen) ready();
      } catch {
        this.close(); // the client is gone, or the system has no room: its loss alone
      }
    });
  }

  #wait(): void {
    clearTimeout(this.#timer);
    if (this.#hasListener) return;
    const patience = this.#patience ?? PATIENCE;
    this.#timer = setTimeout(() => this.close(), patience);
  }
}

/** A reply in one piece. `fd`: a descriptor that goes with it, borrowed. */
export function wholeReply(answer: unknown, fd?: number): Reply {
  const pieces = [JSON.stringify(answer) + "\n"].values();
  return fd === undefined ? { pieces } : { pieces, fd };
}

const COMMANDS: readonly string[] = [
  "status",
  "connections",
  "processes",
  "drop",
  "drain",
  "events",
  "listener",
  "yield",
];

/** Reads a request. Throws `TypeError` when it is none; the message says what is wrong with it. */
function parseRequest(line: string): Request {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new TypeError("Cannot read the request: expected one line of JSON");
  }
  const fields = Object(value) as Record<string, unknown>;
  const { command } = fields;
  if (typeof command !== "string" || !COMMANDS.includes(command)) {
    throw new TypeError(
      `Cannot run ${
        JSON.stringify(command ?? null).slice(0, 40)
      }: expected one of ${COMMANDS.join(", ")}`,
    );
  }
  if (command === "drop") return { command, id: wholeNumber("id", fields) };
  if (command === "events" && fields.perSecond !== undefined) {
    return { command, perSecond: wholeNumber("perSecond", fields) };
  }
  return { command } as Request;
}

function wholeNumber(name: string, fields: Record<string, unknown>): number {
  const value = fields[name];
  if (Number.isSafeInteger(value) && value as number > 0) {
    return value as number;
  }
  throw new TypeError(
    `Cannot run "${fields.command}": expected a whole number above 0 as "${name}"`,
  );
}
