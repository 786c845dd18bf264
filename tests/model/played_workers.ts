/**
 * Workers whose processes the test plays: what their model does is seen step by step.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Exit, Handoff } from "../../src/model/model.ts";
import type {
  Launched,
  WorkerProcess,
  WorkerSource,
} from "../../src/model/worker.ts";
import { WorkerModel } from "../../src/model/workers.ts";
import { abi } from "../../src/posix/abi.ts";
import type { Fd } from "../../src/posix/fd.ts";
import { receiveFd, sendFd } from "../../src/posix/net/handover.ts";
import { askCredentials, socketPair } from "../../src/posix/net/sockets.ts";
import type { Watcher } from "../../src/posix/watcher.ts";
import {
  decodeHandover,
  encodeReport,
  type Handover,
  HANDOVER_SIZE,
  type Report,
} from "../../src/wire/records.ts";
import { ready, took } from "../../src/wire/tell.ts";

/** How a process ends that is killed. */
export const KILLED: Exit = { code: 137, signal: "SIGKILL" };

/** A process as the test plays it. */
export interface Played extends WorkerProcess {
  pid: number;
  /** Its end of its channel. */
  readonly channel: Fd;
  readonly exit: (exit: Exit) => void;
}

/** A model, its played processes, and what it did. */
export class Stage implements Disposable {
  /** The events and actions since the previous call. */
  readonly #seen: string[] = [];
  readonly processes: Played[] = [];
  readonly model: WorkerModel;
  /** Whether the source starts any. */
  canLaunch = true;
  readonly #watched = new Map<number, () => void>();
  readonly #connections: Fd[] = [];
  #last = 0;

  constructor(
    options: {
      spares?: number;
      most?: number;
      recycle?: number;
      mustProve?: boolean;
      isProgram?: boolean;
      isHandler?: boolean;
    } = {},
  ) {
    const say = (...words: unknown[]) => void this.#seen.push(words.join(" "));
    const source: WorkerSource = {
      start: () => Promise.resolve(),
      launch: (exit) => this.#launch(exit, say),
      ready: (worker, pid) => {
        assert.equal(pid, Deno.pid);
        (worker as Played).pid = 100 + this.processes.indexOf(worker as Played);
        return true;
      },
      punish: (worker) => say("punish", worker.pid),
      guard: (_, listener) => listener.close(),
      processes: () => [],
      drain: () => say("drain"),
      kill: () => say("kill source"),
      ended: () => Promise.resolve(),
    };
    const watcher = {
      watch: (
        fd: number,
        _: number,
        ready: Parameters<Watcher["watch"]>[2],
      ) => {
        this.#watched.set(fd, () => ready(abi.POLLIN));
      },
      unwatch: (fd: number) => {
        this.#watched.delete(fd);
      },
    };
    this.model = new WorkerModel(
      {
        name: "played",
        spares: 1,
        most: Infinity,
        recycle: 1,
        grants: [],
        mustProve: false,
        isProgram: false,
        isHandler: false,
        ...options,
      },
      source,
      watcher,
      {
        handed: () => {},
        returned: () => {},
        started: () => {},
        zygoteEnded: () => {},
        rewound: () => {},
        took: (id, pid) => say("took", id, pid),
        done: (id, { reason, text }) => say("done", id, reason, text),
        refused: (id, why) => say("refused", id, why),
        reaped: (pid, { code, signal }) => say("reaped", pid, signal ?? code),
        trouble: (what) => say("trouble", what),
        changed: (what) => say("changed", what),
      },
    );
  }

  #launch(
    exit: (exit: Exit) => void,
    say: (...words: unknown[]) => void,
  ): Launched | null {
    if (!this.canLaunch) return null;
    const [ours, theirs] = socketPair();
    askCredentials(ours.number);
    const process: Played = {
      pid: 0,
      parent: 1,
      channel: theirs,
      exit,
      kill: (signal) => say("kill", process.pid, signal),
      signal: () => say("stop", process.pid),
    };
    this.processes.push(process);
    return { process, channel: ours };
  }

  /** A client has come. */
  connect(): Handoff {
    const [fd, client] = socketPair();
    this.#connections.push(fd, client);
    const handoff = {
      id: ++this.#last,
      fd,
      sockaddr: new Uint8Array(0),
      lost: 0,
    };
    this.model.serve(handoff);
    return handoff;
  }

  /** A process says something, and the model hears it. */
  say({ channel }: Played, report: Report | Uint8Array<ArrayBuffer>): void {
    const record = report instanceof Uint8Array ? report : encodeReport(report);
    assert.ok(sendFd(channel.number, record, null));
    this.hear();
  }

  /** A process becomes ready. */
  isReady(process = this.processes.at(-1)!): Played {
    this.say(process, ready());
    return process;
  }

  /** The connection that a process received. */
  handed({ channel }: Played): Handover {
    const received = receiveFd(channel.number, {
      wait: false,
      size: HANDOVER_SIZE,
    });
    assert.ok(received !== null && received !== "end");
    received.fd?.close();
    const { id, secret, ...rest } = decodeHandover(received.data);
    return { id, ...rest, secret: secret.slice() };
  }

  /** A process ends: its channel and its exit are seen in either order. */
  exits(process: Played, exit: Exit, hearFirst = false): void {
    process.channel.close();
    if (hearFirst) this.hear();
    process.exit(exit);
    this.hear();
  }

  /** A process that was handed a connection takes it. */
  takes(process: Played): Handover {
    const handover = this.handed(process);
    this.say(process, took(handover));
    return handover;
  }

  hear(): void {
    for (const ready of [...this.#watched.values()]) ready();
  }

  /** The events and actions since the previous call. */
  news(): string[] {
    return this.#seen.splice(0);
  }

  states(): string[] {
    return [...this.model.processes()].map(({ state }) => state);
  }

  [Symbol.dispose](): void {
    this.model.retire();
    this.model.kill("SIGKILL");
    for (const process of this.processes) {
      if (process.channel.isOpen) this.exits(process, KILLED);
    }
    for (const fd of this.#connections) if (fd.isOpen) fd.close();
  }
}
