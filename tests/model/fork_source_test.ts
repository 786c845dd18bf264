/** Workers that are forked, by themselves: every transition, with played zygotes and no clock. */
import assert from "node:assert/strict";
import { ForkSource } from "../../src/model/fork_source.ts";
import type { Exit } from "../../src/model/model.ts";
import type { Launched } from "../../src/model/worker.ts";
import { SIGNALS } from "../../src/posix/abi.ts";
import { failed } from "../../src/wire/tell.ts";
import { test } from "../helpers/testing.ts";
import {
  ECHO,
  handoverOf,
  KILLED_STATUS,
  type PlayedZygote,
  ZygoteStage,
} from "./played_zygotes.ts";

/** A source whose zygote is ready, and what it did. */
class Stage implements AsyncDisposable {
  readonly #zygotes = new ZygoteStage();
  readonly seen: string[] = [];
  readonly source: ForkSource;
  readonly #launched: Launched[] = [];

  constructor() {
    const say = (...words: unknown[]) => void this.seen.push(words.join(" "));
    this.source = new ForkSource(ECHO, null as never, {
      available: () => say("available"),
      started: (pid, role) => say("started", pid, role),
      zygoteEnded: (pid, { signal }) => say("ended", pid, signal),
      trouble: (what) => say("trouble", what),
    }, this.#zygotes.system);
  }

  get zygote(): PlayedZygote {
    return this.#zygotes.zygotes.at(-1)!;
  }

  async start(): Promise<this> {
    const started = this.source.start();
    this.zygote.becomesReady();
    await started;
    this.news();
    return this;
  }

  /** Has a worker forked. */
  launch(exited: (exit: Exit) => void = () => {}): Launched {
    const launched = this.source.launch(exited, false);
    assert.ok(launched !== null);
    this.#launched.push(launched);
    return launched;
  }

  /** What the source told, and then what it did. */
  news(): string[] {
    return [...this.seen.splice(0), ...this.#zygotes.news()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.source.drain();
    for (const zygote of this.#zygotes.zygotes) {
      if (!zygote.isGone) zygote.leaves();
      zygote.exits(0);
    }
    for (const pid of [...this.#zygotes.adopted.keys()]) {
      this.#zygotes.reap(pid);
    }
    await this.source.ended();
    for (const { channel } of this.#launched) channel.close();
    this.#zygotes[Symbol.dispose]();
  }
}

test("forked workers: the source has started when its zygote can fork", async () => {
  await using stage = new Stage();
  const started = stage.source.start();
  stage.zygote.becomesReady();
  await started;
  assert.deepEqual(stage.news(), [
    "started 100 zygote",
    "available",
    "start 100",
  ]);
  assert.deepEqual([...stage.source.processes()].map(({ pid }) => pid), [100]);
});

test("forked workers: none while no zygote can take one", async () => {
  await using stage = await new Stage().start();
  stage.zygote.hasRoom = false;
  assert.equal(stage.source.launch(() => {}, false), null);
});

test("forked workers: one is forked, is known by the kernel's word, and ends with its status", async () => {
  await using stage = await new Stage().start();
  const exits: Exit[] = [];
  const { process } = stage.launch((exit) => exits.push(exit));
  assert.deepEqual(stage.news(), ["send 1 to 100"]);
  assert.equal(process.pid, 0);
  assert.equal(stage.source.ready(process, 11), true);
  assert.deepEqual([process.pid, process.parent], [11, 100]);
  stage.zygote.reaped(1, 11, KILLED_STATUS);
  assert.deepEqual(exits, [{ code: 137, signal: "SIGKILL" }]);
});

test("forked workers: nobody is believed whom the kernel does not name, or who is another worker", async () => {
  await using stage = await new Stage().start();
  const [first, second] = [stage.launch(), stage.launch()];
  assert.equal(stage.source.ready(first.process, 0), false);
  assert.equal(stage.source.ready(first.process, 11), true);
  assert.equal(stage.source.ready(second.process, 11), false);
});

test("forked workers: one that ends before it is ready is told by its channel alone", async () => {
  await using stage = await new Stage().start();
  stage.launch(() => assert.fail("its channel tells"));
  stage.zygote.reaped(1, 11, KILLED_STATUS);
});

test("forked workers: signals reach the worker, and what lies for it", async () => {
  await using stage = await new Stage().start();
  const { process } = stage.launch();
  stage.source.ready(process, 11);
  stage.news();
  process.kill("SIGTERM");
  stage.source.punish(process, 11);
  stage.source.punish(process, 12); // something that it started
  assert.deepEqual(stage.news(), [
    `signal 11 ${SIGNALS.SIGTERM}`,
    `signal 11 ${SIGNALS.SIGKILL}`,
    `signal 11 ${SIGNALS.SIGKILL}`,
    `signal 12 ${SIGNALS.SIGKILL}`,
  ]);
});

test("forked workers: what speaks on its zygote's socket is no worker, and is punished", async () => {
  await using stage = await new Stage().start();
  stage.zygote.childTakes(handoverOf(1).id, 13);
  assert.deepEqual(stage.news(), [
    "trouble Killed process 13: it sent an unexpected report",
    `signal 13 ${SIGNALS.SIGKILL}`,
  ]);
});

test("forked workers: a zygote that cannot fork says why", async () => {
  await using stage = await new Stage().start();
  stage.launch();
  stage.news();
  stage.zygote.says(failed(1, "fork: EAGAIN"));
  assert.deepEqual(stage.news(), [
    "trouble Cannot fork a worker: fork: EAGAIN",
  ]);
});

test("forked workers: of a zygote that ends, the workers serve on, and their end is heard", async () => {
  await using stage = await new Stage().start();
  const exits: Exit[] = [];
  const { process } = stage.launch((exit) => exits.push(exit));
  stage.source.ready(process, 11);
  const first = stage.zygote;
  first.leaves();
  first.exits(137, "SIGKILL");
  assert.equal(process.parent, Deno.pid);
  assert.notEqual(stage.zygote, first);
  first.reaped(1, 11); // as the supervisor says it of one that it adopted
  assert.deepEqual(exits, [{ code: 0, signal: null }]);
});

test("forked workers: killed, no other zygote takes over", async () => {
  await using stage = await new Stage().start();
  stage.source.kill();
  const { zygote } = stage;
  zygote.leaves();
  zygote.exits(137, "SIGKILL");
  assert.equal(stage.zygote, zygote);
});
