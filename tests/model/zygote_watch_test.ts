/** Zygotes that do not fork, and children that do not report: played, and looked at without a clock. */
import assert from "node:assert/strict";
import {
  isSpokenFor,
  type ProcessSystem,
  ZygoteWatch,
} from "../../src/model/children.ts";
import { MOST_SECONDS } from "../../src/model/supervision.ts";
import type { Zygote } from "../../src/model/zygote.ts";
import { test } from "../helpers/testing.ts";
import { PlayedZygote, ZygoteStage } from "./played_zygotes.ts";

/** After so many looks at one that does the same it is ended; the first look sees it for the first time. */
const LOOKS = MOST_SECONDS.handed + 1;

/** A watched zygote, and the events of the watch. */
class Scene implements Disposable {
  readonly #stage = new ZygoteStage();
  readonly seen: string[] = [];
  readonly late = new Set<Zygote>();
  readonly born = new Set<number>();
  readonly zygote = new PlayedZygote(
    100,
    null as never,
    (...words) => void this.seen.push(words.join(" ")),
  );
  readonly children = this.#stage.children;
  readonly ends = this.#stage.ends;
  readonly waits = this.#stage.waits;
  readonly watch: ZygoteWatch;

  constructor(isSpokenFor = false) {
    this.zygote.isReady = true;
    const system: ProcessSystem = {
      ...this.#stage.system,
      open: (pid) => ({
        pid,
        signal: (signal) => this.seen.push(`signal ${pid} ${signal}`) > 0,
        signalGroup: () => false,
        close: () => {},
        [Symbol.dispose]: () => {},
      }),
    };
    this.watch = new ZygoteWatch(
      new Set([this.zygote]),
      this.late,
      {
        isBorn: (pid) => this.born.has(pid),
        trouble: (what) => this.seen.push(what),
      },
      isSpokenFor,
      system,
    );
  }

  /** Looks so often; what came of it. */
  look(times: number): string[] {
    for (let i = 0; i < times; i++) this.watch.look();
    return this.seen.splice(0);
  }

  [Symbol.dispose](): void {
    this.watch.close();
    this.#stage[Symbol.dispose]();
  }
}

const SILENT = "Killed zygote 100: it did not fork for 5 s";

test("watch: a zygote that was handed a connection and does nothing is ended after five looks", () => {
  using scene = new Scene();
  scene.zygote.untaken = scene.zygote.batches = 1;
  assert.deepEqual(scene.look(LOOKS - 1), []);
  assert.deepEqual(scene.look(1), [SILENT, "kill 100 SIGKILL"]);
});

test("watch: a zygote or a child that is not let run is not stuck", () => {
  using scene = new Scene();
  scene.zygote.untaken = scene.zygote.batches = 1;
  scene.children.set(100, [11]);
  const starve = (pid: number) =>
    scene.waits.set(pid, (scene.waits.get(pid) ?? 0) + 1);
  for (let i = 0; i < 2 * LOOKS; i++) {
    for (const pid of [100, 11]) starve(pid);
    assert.deepEqual(scene.look(1), []);
  }
  assert.deepEqual(scene.look(LOOKS), [
    "Killed process 11: it reported nothing for 5 s",
    "signal 11 9",
  ]);
});

test("watch: one that has nothing to do is left alone, and so is one that is told to end", () => {
  using scene = new Scene();
  assert.deepEqual(scene.look(2 * LOOKS), []);
  scene.zygote.untaken = 1;
  scene.zygote.isOpen = false;
  assert.deepEqual(scene.look(2 * LOOKS), []);
});

test("watch: one that is heard of, or was through with all and got more, is not stuck", () => {
  using scene = new Scene();
  scene.zygote.untaken = scene.zygote.batches = 1;
  for (let i = 0; i < 2 * LOOKS; i++) {
    assert.deepEqual(scene.look(1), []);
    if (i % 3 === 0) scene.zygote.reports++;
    if (i % 3 === 1) scene.zygote.batches++;
  }
});

test("watch: a child that was forked and does not report is ended, and its zygote is not blamed for it", () => {
  using scene = new Scene();
  scene.zygote.untaken = scene.zygote.batches = 1;
  scene.children.set(100, [11]);
  // It counts from the second look: at the first the zygote may just have been handed it.
  assert.deepEqual(scene.look(LOOKS), []);
  assert.deepEqual(scene.look(1), [
    "Killed process 11: it reported nothing for 5 s",
    "signal 11 9",
  ]);
});

test("watch: a child that has reported is left alone", () => {
  using scene = new Scene();
  scene.zygote.untaken = scene.zygote.batches = 1;
  scene.children.set(100, [11]);
  scene.look(3);
  scene.born.add(11);
  scene.zygote.untaken = 0;
  assert.deepEqual(scene.look(2 * LOOKS), []);
});

test("watch: a zygote that is ended takes its children with it that have not reported", () => {
  using scene = new Scene();
  scene.zygote.untaken = 2;
  scene.zygote.batches = 1;
  scene.children.set(100, [11, 12]);
  scene.born.add(12);
  assert.deepEqual(scene.look(LOOKS), [
    SILENT,
    "kill 100 SIGKILL",
    "signal 11 9",
  ]);
});

test("watch: of one that was reaped, a child that keeps its channel and says nothing is ended", () => {
  using scene = new Scene();
  const gone = new PlayedZygote(90, null as never, () => {});
  scene.late.add(gone);
  scene.children.set(Deno.pid, [11, 12, 13]);
  scene.ends.set(11, gone.end).set(12, gone.end);
  scene.born.add(12); // 13 has no end of its channel
  assert.deepEqual(scene.look(LOOKS), [
    "Killed process 11: it reported nothing for 5 s",
    "signal 11 9",
  ]);
});

test("watch: whoever is to be ended at once goes with all of its own that have not reported", () => {
  using scene = new Scene();
  scene.children.set(100, [11]).set(Deno.pid, [12]);
  scene.ends.set(12, scene.zygote.end);
  scene.watch.end(scene.zygote);
  assert.deepEqual(scene.seen, [
    "kill 100 SIGKILL",
    "signal 11 9",
    "signal 12 9",
  ]);
});

test("watch: programs that a zygote starts without a fork say nothing themselves", () => {
  const path = "/bin/cat", args = ["cat"], stderr = "server";
  const service = { program: { path, args, env: {}, stderr } } as const;
  const options = {
    idleTimeout: 0,
    firstByteTimeout: 0,
    grants: [],
    sandbox: { level: "off", isWanted: false, hasFilters: true },
  } as const;
  assert.ok(isSpokenFor({ service, ...options }));
  const attributes = { limits: {} };
  assert.ok(!isSpokenFor({ service, attributes, ...options }));
  assert.ok(!isSpokenFor({ service: { name: "echo" }, ...options }));
  using scene = new Scene(true);
  scene.zygote.untaken = scene.zygote.batches = 1;
  scene.children.set(100, [11]);
  assert.deepEqual(scene.look(LOOKS), [SILENT, "kill 100 SIGKILL"]);
});
