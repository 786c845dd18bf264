/**
 * The process that makes the connections of a soak.
 *
 * @module
 */
import { encodeAddress } from "../../src/posix/net/address.ts";
import { Watcher } from "../../src/posix/watcher.ts";
import { nextPlan } from "./plans.ts";
import { pickWeighted, type Random, randomFrom } from "./random.ts";
import { type Failure, Visit } from "./visit.ts";
import {
  type Command,
  emptyTick,
  type Order,
  readJsonLines,
  type StageTick,
} from "./visitors_wire.ts";

/** Connections of one server that may be open at once, beside those of a burst. */
const MOST_OPEN = 48;
/** How often it looks what is due, in milliseconds. */
const BEAT = 5;
const TICK = 1_000;
/** Addresses that connections come from in turn: each has 28,000 ports or so. */
const SOURCES = Array.from(
  { length: 64 },
  (_, i) => tcpAddress(`127.0.0.${i + 2}`, 0),
);

function tcpAddress(hostname: string, port: number): Uint8Array<ArrayBuffer> {
  return encodeAddress({ transport: "tcp", hostname, port });
}

/** Makes connections until its orders end. */
class Visitors {
  readonly #order: Order;
  readonly #random: Random;
  readonly #watcher = new Watcher();
  readonly #addresses: readonly Uint8Array<ArrayBuffer>[];
  readonly #weights: readonly (readonly [number, number])[];
  readonly #open: number[];
  #ticks: StageTick[];
  #begun = 0;
  #due = 0;
  #last = performance.now();
  #paused = true;
  #turn = 0;

  constructor(order: Order) {
    this.#order = order;
    this.#random = randomFrom(order.seed);
    this.#addresses = order.targets.map(({ port }) =>
      tcpAddress("127.0.0.1", port)
    );
    this.#weights = order.targets.map(({ weight }, i) => [weight, i] as const);
    this.#open = order.targets.map(() => 0);
    this.#ticks = order.targets.map(emptyTick);
  }

  async run(): Promise<void> {
    const watching = this.#watcher.run();
    const beat = setInterval(() => this.#beat(), BEAT);
    const tick = setInterval(() => this.#tell(), TICK);
    this.#tell();
    for await (const command of readJsonLines<Command>(Deno.stdin.readable)) {
      this.#obey(command);
    }
    clearInterval(beat);
    clearInterval(tick);
    this.#watcher.stop();
    await watching;
  }

  #obey(command: Command): void {
    if (command.kind === "burst") {
      for (let i = 0; i < command.count; i++) this.#begin(command.stage);
      return;
    }
    this.#paused = command.kind === "pause";
    this.#last = performance.now();
    if (this.#isIdle) this.#tell();
  }

  get #isIdle(): boolean {
    return this.#paused && this.#open.every((count) => count === 0);
  }

  /** Begins what is due; what a busy server did not take is made up for later. */
  #beat(): void {
    const now = performance.now();
    if (!this.#paused) {
      this.#due += this.#order.rate * (now - this.#last) / 1000;
    }
    this.#last = now;
    if (this.#paused) return;
    for (; this.#begun < this.#due; this.#begun++) {
      const stage = pickWeighted(this.#random, this.#weights);
      if (this.#open[stage]! >= MOST_OPEN) break;
      this.#begin(stage);
    }
  }

  #begin(stage: number): void {
    const { targets, patience } = this.#order;
    const plan = nextPlan(targets[stage]!.service, this.#random);
    const from = SOURCES[this.#turn++ % SOURCES.length]!;
    const to = this.#addresses[stage]!;
    this.#open[stage]!++;
    new Visit(plan, { to, from }, this.#watcher, patience, {
      ended: (visit, failure) => this.#ended(stage, visit, failure),
    });
  }

  #ended(stage: number, visit: Visit, failure: Failure | null): void {
    const tick = this.#ticks[stage]!;
    tick.ended++;
    if (visit.wasReset) tick.reset++;
    tick.sent += visit.sent;
    tick.received += visit.received;
    if (failure !== null) tick.failures.push(failure);
    this.#open[stage]!--;
    if (this.#isIdle) this.#tell();
  }

  #tell(): void {
    const tick = { idle: this.#isIdle, stages: this.#ticks };
    this.#ticks = this.#order.targets.map(emptyTick);
    const line = new TextEncoder().encode(JSON.stringify(tick) + "\n");
    for (let at = 0; at < line.length;) {
      at += Deno.stdout.writeSync(line.subarray(at));
    }
  }
}

await new Visitors(JSON.parse(Deno.args[0]!)).run();
