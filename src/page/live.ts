/**
 * Sends a page every event of a running server, and its whole state twice a second, as server-sent
 * events. A browser that is slow is waited for, so that the server skips events for it and nothing grows here.
 *
 * After a take-over there are two servers: the one that drains is followed to its end, and so is the next.
 *
 * @module
 */
import {
  ControlClient,
  ControlError,
  listConnections,
} from "../control/ask.ts";
import {
  backlog,
  hasSocketDiagnostics,
} from "../posix/net/socket_diagnostics.ts";

/** How often the whole is looked at, and a server that is not there looked for, in milliseconds. */
const LOOK = 500;
/** The same, at most: a look that takes long, as on a busy machine, is followed by a longer pause. */
const LATEST_LOOK = 2_000;
/** How many times as long as a look the pause after it is. */
const PAUSE = 50;
/** How many connections a second are told: more than a person can follow, fewer than would slow the server. */
const PER_SECOND = 200;

const encoder = new TextEncoder();

/** How many wait in a listener's backlog; null where the system does not say. */
function backlogOf(listener: Deno.NetAddr | Deno.UnixAddr): number | null {
  return hasSocketDiagnostics && "port" in listener ? backlog(listener) : null;
}

/** Follows whatever server has a control socket, for one browser. */
export class Live {
  readonly #path: string;
  readonly #stream = new TransformStream<Uint8Array, Uint8Array>();
  readonly #writer = this.#stream.writable.getWriter();
  /** Servers that are followed, by their process ids. */
  readonly #followed = new Map<number, ControlClient>();
  readonly #over = Promise.withResolvers<void>();
  #isOver = false;
  /** Ends the pause between two looks. */
  #wake = () => {};

  /** Begins; `path` is the control socket. */
  constructor(path: string) {
    this.#path = path;
    void this.#writer.closed.catch(() => {}).then(() => this.stop());
    void this.#run().catch(() => this.stop()); // the browser has gone
  }

  /** The stream for the browser. */
  get readable(): ReadableStream<Uint8Array> {
    return this.#stream.readable;
  }

  /** Resolves when the browser has gone, or this was stopped. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Follows no more; again is harmless. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#over.resolve();
    for (const client of this.#followed.values()) client[Symbol.dispose]();
    this.#wake();
    this.#writer.abort().catch(() => {});
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const began = performance.now();
      try {
        await this.#look();
      } catch (error) {
        if (!(error instanceof ControlError)) throw error;
        if (this.#followed.size === 0) await this.#say("gone", {});
      }
      const pause = PAUSE * (performance.now() - began);
      const timer = setTimeout(
        resolve,
        Math.min(LATEST_LOOK, Math.max(LOOK, pause)),
      );
      await promise;
      clearTimeout(timer);
    }
  }

  /** How the server at the path is, with its processes and connections; one that is not followed yet is from here on. */
  async #look(): Promise<void> {
    using client = await ControlClient.connect(this.#path);
    const status = await client.ask({ command: "status" });
    if (!this.#followed.has(status.pid)) await this.#follow(status.pid);
    const { processes } = await client.ask({ command: "processes" });
    const connections = await listConnections(client, status.listener);
    const waiting = backlogOf(status.listener);
    await this.#say("look", { status, processes, connections, waiting });
  }

  /** Resolves when its events are heard: what is shown from then on misses none. */
  async #follow(pid: number): Promise<void> {
    const client = await ControlClient.connect(this.#path);
    if (this.#isOver) return client[Symbol.dispose]();
    this.#followed.set(pid, client);
    const { promise, resolve } = Promise.withResolvers<void>();
    void this.#pass(pid, client, resolve).finally(resolve);
    await promise;
  }

  /** Passes a server's events on to its end. */
  async #pass(
    pid: number,
    client: ControlClient,
    heard: () => void,
  ): Promise<void> {
    try {
      const began = (answer: object) => {
        void this.#say("began", answer).catch(() => {});
        heard();
      };
      for await (const lines of client.follow(began, PER_SECOND)) {
        await this.#write("events", `{"pid":${pid},"events":[${lines}]}`);
      }
      await this.#say("ended", { pid });
    } catch (error) {
      // The server has too many followers, or the browser has gone.
      if (error instanceof ControlError) {
        await this.#say("refused", { why: error.message }).catch(() => {});
      }
    }
    client[Symbol.dispose]();
    this.#followed.delete(pid);
  }

  #say(event: string, data: object): Promise<void> {
    return this.#write(event, JSON.stringify(data));
  }

  #write(event: string, json: string): Promise<void> {
    return this.#writer.write(
      encoder.encode(`event: ${event}\ndata: ${json}\n\n`),
    );
  }
}
