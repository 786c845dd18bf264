/**
 * Taking over from a running server: its listening socket first, its place when the new one serves.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { receiveFd } from "../posix/net/handover.ts";
import { pollLater } from "../posix/io.ts";
import {
  adoptListener,
  type Listener,
  takeOverListener,
} from "../server/listener.ts";
import { ControlClient, ControlError } from "./ask.ts";

/** How long the running server may take to hand its socket out, in milliseconds. */
const PATIENCE = 10_000;

/** The listening socket that a server takes over from another one. */
export class Inheritance implements Disposable {
  /** The running server's listening socket; the server that uses it closes it. */
  readonly listener: Listener;
  /** The running server's process id. */
  readonly from: number;
  /** Its control socket. */
  readonly path: string;
  readonly #client: ControlClient;

  private constructor(
    client: ControlClient,
    path: string,
    found: { listener: Listener; from: number },
  ) {
    this.#client = client;
    this.path = path;
    this.listener = found.listener;
    this.from = found.from;
  }

  /**
   * Asks a running server for its listening socket; it goes on serving. Returns what it gave; disposing of it without
   * {@linkcode takePlace} leaves all as it was, once the listener is closed without {@linkcode Listener.isShared}
   * being cleared. Throws `ControlError` when no server is there, or it refuses.
   */
  static async ask(path: string, backlog: number): Promise<Inheritance> {
    const client = await ControlClient.connect(path);
    try {
      const { fd } = client;
      await client.send({ command: "listener" });
      // Read here and not by the runtime, which would lose the descriptor.
      if (!await pollLater(fd, abi.POLLIN, PATIENCE)) {
        throw new ControlError(
          `Cannot take over at "${path}": no answer within ${
            PATIENCE / 1000
          } s`,
        );
      }
      const received = receiveFd(fd, { wait: false });
      if (received === null || received === "end") {
        throw new ControlError(
          `Cannot take over at "${path}": the server closed the connection: does it belong to another user?`,
        );
      }
      const line = new TextDecoder().decode(received.data);
      const { pid, address, isManaged } = client.read<"listener">(line);
      if (!received.fd) {
        throw new ControlError(
          `Cannot take over at "${path}": it sent no socket`,
        );
      }
      const listener = isManaged
        ? adoptListener(received.fd)
        : takeOverListener(received.fd, address, backlog);
      listener.isShared = true;
      return new Inheritance(client, path, { listener, from: pid });
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Tells the other server to drain, since this one accepts, and hangs up. One that has gone meanwhile
   * needs no telling: it hangs up only then.
   */
  async takePlace(): Promise<number> {
    this.listener.isShared = this.listener.isManaged;
    try {
      return (await this.#client.ask({ command: "yield" })).live;
    } catch (error) {
      if (error instanceof ControlError) return 0;
      throw error;
    } finally {
      this[Symbol.dispose]();
    }
  }

  /** Hangs up: the other server goes on unless it was told to drain. */
  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}
