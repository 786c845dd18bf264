/** A zygote of a service of ours is at work before it is warm: nothing that was handed to it waits for that. */
import assert from "node:assert/strict";
import { earlyZygote } from "../../src/model/runtime_process.ts";
import type { Fd } from "../../src/posix/fd.ts";
import { receiveUntrusted, sendFd } from "../../src/posix/net/handover.ts";
import { socketPair } from "../../src/posix/net/sockets.ts";
import { childrenOf } from "../../src/posix/proc.ts";
import type { ChildOptions } from "../../src/wire/child_options.ts";
import {
  decodeReport,
  encodeHandover,
  SECRET_SIZE,
  STEPS,
} from "../../src/wire/records.ts";
import { signalNow } from "../helpers/processes.ts";
import { test, until } from "../helpers/testing.ts";

const NOT_LINUX = Deno.build.os !== "linux";
const SOCK_STREAM = 1;
const SIGCHLD = 17;

/** A zygote, as its server sees it. */
class Played implements AsyncDisposable {
  readonly #started;
  readonly #clients: Fd[] = [];
  /** Whether it forks, and whether it has rehearsed. */
  isReady = false;
  isWarm = false;

  constructor(sandbox: ChildOptions["sandbox"]) {
    this.#started = earlyZygote.take({
      service: { name: "echo" },
      idleTimeout: 0,
      firstByteTimeout: 0,
      grants: [],
      sandbox,
    });
  }

  get pid(): number {
    return this.#started.process.pid;
  }

  /** The processes that it has forked, and that hold a connection each. */
  get children(): number {
    return childrenOf(this.pid).length;
  }

  /** Hands a connection over, whose client says nothing. */
  handOver(): void {
    const [client, server] = socketPair(SOCK_STREAM);
    this.#clients.push(client);
    const id = this.#clients.length;
    const none = new Uint8Array(SECRET_SIZE);
    const record = encodeHandover({
      kind: "connection",
      id,
      peer: new Uint8Array(16),
      secret: none,
    });
    assert.ok(sendFd(this.#started.channel.number, record, server.number));
    server.close();
  }

  /** Reads what it has said. */
  listen(): void {
    for (;;) {
      const received = receiveUntrusted(this.#started.channel.number);
      if (received === null || received === "end") return;
      received.fd?.close();
      const report = decodeReport(received.data);
      assert.notEqual(report?.kind, "failed", report?.outcome?.text);
      this.isReady ||= report?.kind === "ready";
      this.isWarm ||= report?.outcome?.text === STEPS.warm;
    }
  }

  async until(what: "isReady" | "isWarm"): Promise<void> {
    await until(`zygote ${this.pid} ${what}`, () => {
      this.listen();
      return this[what];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { process, channel, reports } = this.#started;
    for (const fd of [...this.#clients, channel, reports]) fd.close();
    await process.status;
  }
}

const DEFAULT: ChildOptions["sandbox"] = {
  level: "default",
  isWanted: false,
  hasFilters: true,
};

test(
  "ready first: what came before it was ready is served before it rehearses",
  async () => {
    await using zygote = new Played(DEFAULT);
    for (let i = 0; i < 5; i++) zygote.handOver();
    await zygote.until("isWarm");
    assert.equal(zygote.children, 5);
  },
  { ignore: NOT_LINUX },
);

test(
  "ready first: what comes while it rehearses is served before it goes on",
  async () => {
    await using zygote = new Played(DEFAULT);
    await zygote.until("isReady");
    let handed = 0;
    while (handed < 10) {
      signalNow(zygote.pid, "SIGSTOP");
      zygote.listen();
      if (!zygote.isWarm) {
        zygote.handOver();
        handed++;
      }
      signalNow(zygote.pid, "SIGCONT");
      if (zygote.isWarm) break;
      await until("it has forked, or is warm", () => {
        const { children } = zygote;
        zygote.listen(); // later than the count: what was said by then was said before the fork
        if (zygote.isWarm) assert.equal(zygote.children, handed);
        return children === handed;
      });
    }
    await zygote.until("isWarm");
    assert.equal(zygote.children, handed);
  },
  { ignore: NOT_LINUX },
);

for (const level of ["default", "strict", "off"] as const) {
  test(
    `ready first (${level}): while it rehearses it stays what it is, misses no end of a child, and keeps nothing open`,
    async () => {
      await using zygote = new Played({ ...DEFAULT, level });
      await zygote.until("isReady");
      const opened = () =>
        [...Deno.readDirSync(`/proc/${zygote.pid}/fd`)].length;
      const before = opened();
      await until("it is warm", () => {
        const status = Deno.readTextFileSync(`/proc/${zygote.pid}/status`);
        assert.match(status, /^Name:\tmpserv:zygote$/m);
        const [, blocked = "0"] = /^SigBlk:\t(\w+)$/m.exec(status) ?? [];
        assert.ok(BigInt(`0x${blocked}`) & 1n << BigInt(SIGCHLD - 1));
        zygote.listen();
        return zygote.isWarm;
      });
      assert.ok(opened() <= before, `${opened()} > ${before}`); // it may have begun by then
      zygote.handOver();
      await until("it forks", () => zygote.children === 1);
    },
    { ignore: NOT_LINUX },
  );
}
