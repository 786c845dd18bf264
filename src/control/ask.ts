/**
 * Asking a running server: the client's side of the control socket.
 *
 * @module
 */
import { peerUser } from "../posix/net/sockets.ts";
import { reasonOf } from "../posix/reason.ts";
import { connections, findConnection } from "../posix/net/runtime_sockets.ts";
import {
  hasSocketDiagnostics,
  tcpConnections,
} from "../posix/net/socket_diagnostics.ts";
import { effectiveUser } from "../posix/users.ts";
import type { Answers, ConnectionRow, Request } from "./protocol.ts";

/** Bytes of an answer at most: more than any server has connections for. */
const ANSWER_SIZE = 256 * 1024 * 1024;
/** How long a server may take to send the next part of its answer, in milliseconds. */
const PATIENCE = 10_000;

/** The server refused, or did not answer; the message is for a person. */
export class ControlError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ControlError";
  }
}

/** No server listens at the path. */
export class NobodyThere extends ControlError {}

/** A connection to a server's control socket. */
export class ControlClient implements Disposable {
  readonly path: string;
  readonly #conn: Deno.Conn;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(64 * 1024);
  readonly #decoder = new TextDecoder();
  #isOpen = true;

  private constructor(conn: Deno.Conn, fd: number, path: string) {
    this.#conn = conn;
    this.#fd = fd;
    this.path = path;
  }

  /**
   * Connects. Returns the client, the caller's to dispose of. Throws `NobodyThere` when no server is there. Throws
   * `ControlError` when the system refuses, or the server may be another user's.
   */
  static async connect(path: string): Promise<ControlClient> {
    const before = connections();
    const conn = await open(path);
    try {
      const { localAddr, remoteAddr } = conn;
      const fd = findConnection(localAddr, remoteAddr, before);
      const why = obstacle(path, fd);
      if (why === null) return new ControlClient(conn, fd, path);
      throw new ControlError(`Cannot trust the server at "${path}": ${why}`);
    } catch (error) {
      conn.close();
      throw error;
    }
  }

  /** The connection, for what travels beside its bytes; borrowed. */
  get fd(): number {
    return this.#fd;
  }

  /** Asks, and waits for the answer. Throws `ControlError` when the server refuses, hangs up, or is stuck. */
  async ask<Asked extends Request>(
    request: Asked,
  ): Promise<Answers[Asked["command"]]> {
    await this.send(request);
    return this.read<Asked["command"]>(await this.#line());
  }

  /** Asks without waiting. Throws `ControlError` when the server has hung up. */
  async send(request: Request): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(request) + "\n");
    try {
      for (let sent = 0; sent < bytes.length;) {
        sent += await this.#conn.write(bytes.subarray(sent));
      }
    } catch {
      throw this.#hungUp();
    }
  }

  /**
   * Asks for what happens from now on, and waits for it as long as it takes. `began`: gets the answer before the
   * first line; `perSecond`: how many connections a second are enough, all if left out. Returns lines of JSON without their ends, as many as came at a time, until the server hangs up.
   * Throws `ControlError` when the server refuses.
   */
  async *follow(
    began: (answer: Answers["events"]) => void = () => {},
    perSecond?: number,
  ): AsyncGenerator<string[]> {
    const part = perSecond === undefined ? {} : { perSecond };
    await this.send({ command: "events", ...part });
    let rest = "";
    let isFirst = true;
    for (;;) {
      const count = isFirst
        ? await this.#read()
        : await this.#conn.read(this.#buffer).catch(() => null);
      if (count === null && isFirst) throw this.#hungUp();
      if (count === null) return;
      const bytes = this.#buffer.subarray(0, count);
      const lines = (rest + this.#decoder.decode(bytes, { stream: true }))
        .split("\n");
      rest = lines.pop()!;
      if (isFirst && lines.length > 0) {
        began(this.read<"events">(lines.shift()!));
        isFirst = false;
      }
      if (lines.length > 0) yield lines;
    }
  }

  /** Reads an answer. Throws `ControlError` when it is a refusal, or none of ours. */
  read<Command extends keyof Answers>(line: string): Answers[Command] {
    let answer: { ok?: boolean; error?: string; [field: string]: unknown };
    try {
      answer = Object(JSON.parse(line));
    } catch {
      throw new ControlError(
        `Cannot read the answer of "${this.path}": it is not an mpserv control socket: check the path`,
      );
    }
    const { ok, error, ...said } = answer;
    if (ok === true) return said as unknown as Answers[Command];
    throw new ControlError(
      error ?? "Cannot run the command: the server gave no reason",
    );
  }

  /** Hangs up; again is harmless. */
  [Symbol.dispose](): void {
    if (this.#isOpen) this.#conn.close();
    this.#isOpen = false;
  }

  async #line(): Promise<string> {
    let line = "";
    while (!line.endsWith("\n")) {
      const count = await this.#read();
      if (count === null || line.length > ANSWER_SIZE) throw this.#hungUp();
      const bytes = this.#buffer.subarray(0, count);
      line += this.#decoder.decode(bytes, { stream: true });
    }
    return line;
  }

  async #read(): Promise<number | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      const stuck =
        `Cannot reach the server at "${this.path}": no answer within ${
          PATIENCE / 1000
        } s`;
      timer = setTimeout(() => reject(new ControlError(stuck)), PATIENCE);
    });
    try {
      return await Promise.race([this.#conn.read(this.#buffer), late]);
    } catch (error) {
      throw error instanceof ControlError ? error : this.#hungUp();
    } finally {
      clearTimeout(timer);
    }
  }

  #hungUp(): ControlError {
    return new ControlError(
      `Cannot query the server at "${this.path}": it closed the connection: does it belong to another user?`,
    );
  }
}

async function open(path: string): Promise<Deno.Conn> {
  try {
    return await Deno.connect({ transport: "unix", path });
  } catch (error) {
    const gone = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.ConnectionRefused;
    if (gone) {
      throw new NobodyThere(
        `Cannot reach a server at "${path}": no server is running there: check the path`,
      );
    }
    const isTooLong = (error as { code?: string }).code === "EINVAL";
    const why = isTooLong
      ? "the path is too long for a socket: use a shorter one, such as a link to its directory"
      : `${
        reasonOf(error)
      }: run the command as the user who started the server`;
    throw new ControlError(`Cannot reach a server at "${path}": ${why}`);
  }
}

/** Why another user may have put the server there; null when none can have. */
function obstacle(path: string, fd: number): string | null {
  const user = effectiveUser();
  const peer = peerUser(fd);
  if (peer !== null && peer !== user) {
    return `it belongs to the user with id ${peer}: run the command as that user`;
  }
  const owner = ownerOfDirectory(path);
  if (owner === null || owner === user || owner === 0) return null;
  return `the directory belongs to the user with id ${owner}: use a control socket in a directory of your own`;
}

/** Null where the system does not say. */
function ownerOfDirectory(path: string): number | null {
  try {
    return Deno.statSync(path.replace(/[^/]*$/, ".")).uid;
  } catch {
    return null;
  }
}

/* Counts the bytes of connections. The command asks the kernel, so the server has no work. */

/** A connection, and what moves through it: null where the system does not say. */
export interface MovingConnection extends ConnectionRow {
  /** Milliseconds since a byte moved. */
  readonly idle: number | null;
  /** Bytes that came from the client. */
  readonly in: number | null;
  /** Bytes that the client has received. */
  readonly out: number | null;
  /** Whether the client has ended its side. */
  readonly halfClosed: boolean | null;
}

/** Lists a server's connections with their bytes. Throws `ControlError` when it cannot be asked. */
export async function listConnections(
  client: ControlClient,
  listener: Deno.NetAddr | Deno.UnixAddr,
): Promise<MovingConnection[]> {
  const { connections } = await client.ask({ command: "connections" });
  const isKnown = hasSocketDiagnostics && connections.length > 0;
  const moving = isKnown && "port" in listener
    ? tcpConnections(listener)
    : null;
  return connections.map((row) => {
    const found = moving?.get(row.via?.proxy ?? row.peer);
    if (!found) {
      return { ...row, idle: null, in: null, out: null, halfClosed: null };
    }
    const { sinceReceived, sinceSent, bytesIn, bytesOut } = found;
    const idle = Math.min(sinceReceived, sinceSent);
    const own = bytesIn - (row.via?.headerBytes ?? 0);
    const halfClosed = found.peerEnded;
    return { ...row, idle, in: own, out: bytesOut, halfClosed };
  });
}
