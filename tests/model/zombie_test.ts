/** Processes that have ended, and of which nobody has said so yet. */
import assert from "node:assert/strict";
import { MOST_SECONDS } from "../../src/model/supervision.ts";
import { done } from "../../src/wire/tell.ts";
import { processInfo } from "../helpers/processes.ts";
import { test, until } from "../helpers/testing.ts";
import { ForkStage } from "./played_fork.ts";
import { Stage } from "./played_workers.ts";

const CLOSED = { bytesIn: 1, bytesOut: 2, reason: "closed", text: "" } as const;

/** No process has this number: more than PID_MAX_LIMIT, 2^22. */
const NOBODY = 2 ** 23;

/** Such a process, and its parent. */
class Zombie implements AsyncDisposable {
  readonly #parent: Deno.ChildProcess;
  readonly pid: number;

  private constructor(parent: Deno.ChildProcess, pid: number) {
    this.#parent = parent;
    this.pid = pid;
  }

  static async make(): Promise<Zombie> {
    const parent = new Deno.Command("sh", {
      args: ["-c", "exec 3<&0; cat <&3 & echo $!; exec sleep 1000"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = parent.stdout.getReader();
    const pid = Number(new TextDecoder().decode((await reader.read()).value));
    await until(
      "its parent is a program that reaps nobody",
      () => processInfo(parent.pid)?.comm === "sleep",
    );
    await parent.stdin.close();
    await until("it has ended", () => processInfo(pid)?.state === "Z");
    await reader.cancel();
    return new Zombie(parent, pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parent[Symbol.asyncDispose]();
  }
}

test("fork: a child that has ended and is not reaped is not taken for one that does not end: its zygote is ended", async () => {
  await using zombie = await Zombie.make();
  const { pid } = zombie;
  using stage = new ForkStage();
  stage.connect();
  stage.takes(1, pid);
  stage.isDone(1, pid);
  stage.news();
  for (let i = 0; i < 2 * MOST_SECONDS.finished + 1; i++) stage.model.look();
  assert.deepEqual(stage.news(), [`end zygote of ${pid}`]);
});

test("fork: of a child that was reaped nothing is said, and its zygote is let be, while a parent is behind with reading", () => {
  using stage = new ForkStage();
  stage.connect();
  stage.takes(1, NOBODY);
  stage.isDone(1, NOBODY);
  stage.news();
  for (let i = 0; i < 3 * MOST_SECONDS.finished; i++) stage.model.look();
  assert.deepEqual(stage.news(), []);
});

test("workers: one that has ended and is not reaped, or was and nobody said so, is not taken for one that does not exit", async () => {
  await using zombie = await Zombie.make();
  for (const pid of [zombie.pid, NOBODY]) {
    using stage = new Stage({ recycle: 1 });
    await stage.model.start();
    const process = stage.isReady();
    stage.connect();
    stage.say(process, done(stage.takes(process), CLOSED));
    assert.equal(stage.states()[0], "finished");
    stage.news();
    process.pid = pid;
    for (let i = 0; i <= MOST_SECONDS.finished; i++) stage.model.look();
    assert.deepEqual(stage.news(), []);
  }
});
