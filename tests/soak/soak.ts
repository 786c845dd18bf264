/**
 * A long run: servers of every kind, connections of every manner, faults at any time; and the books of
 * it all.
 *
 * @module
 */
import { startServer } from "../helpers/server.ts";
import { Crowd } from "./crowd.ts";
import { Faults, type Running } from "./faults.ts";
import { Ledger } from "./ledger.ts";
import { randomFrom } from "./random.ts";
import { Course } from "./sampler.ts";
import type { Stage } from "./stages.ts";
import type { Sample } from "./trend.ts";
import type { Tick } from "./visitors_wire.ts";

/** What is asked for. */
export interface SoakOptions {
  /** How long it goes on, in seconds. */
  readonly seconds: number;
  /** Connections a second. */
  readonly rate: number;
  /** Faults a second. */
  readonly faults: number;
  /** Where chance begins. */
  readonly seed: number;
  /** The servers. */
  readonly stages: readonly Stage[];
}

/** What came of one server. */
export interface StageResult extends Running {
  readonly course: Course;
  /** Growth of memory, in bytes. */
  readonly grown: { readonly parent: number; readonly zygote: number };
}

/** What came of it all. */
export interface SoakResult {
  readonly options: SoakOptions;
  readonly stages: readonly StageResult[];
  /** Connections a second, over time. */
  readonly pace: readonly Sample[];
  /** How often each fault was injected. */
  readonly faults: ReadonlyMap<string, number>;
  /** What is wrong, in lines; nothing when all is well. */
  readonly problems: readonly string[];
}

/** So long without a rest, in seconds, in a long run. */
const LONGEST_LEG = 150;
/** A short run has so many rests. */
const FEWEST_LEGS = 2;
/** How long a connection may take, in milliseconds: a stopped zygote costs 5 s, a busy machine more. */
const PATIENCE = 90_000;

/**
 * Runs a soak.
 *
 * @param options What is asked for.
 * @param say Hears how it goes, in lines.
 * @returns What came of it.
 */
export async function soak(
  options: SoakOptions,
  say: (line: string) => void,
): Promise<SoakResult> {
  await using ended = new AsyncDisposableStack();
  const running: Running[] = [];
  for (const stage of options.stages) {
    running.push(await startStage(stage, ended));
    say(`serves: ${stage.name}`);
  }
  const run = new Run(options, running, say);
  await run.run();
  return run.result();
}

async function startStage(
  stage: Stage,
  ended: AsyncDisposableStack,
): Promise<Running> {
  const ledger = new Ledger(stage);
  const { model, args } = stage;
  const keeps = ledger.hear.bind(ledger);
  const server = ended.use(await startServer({ model, args, keeps }));
  return { stage, server, ledger };
}

/** One run. */
class Run {
  readonly #options: SoakOptions;
  readonly #say: (line: string) => void;
  readonly #running: readonly Running[];
  readonly #courses: readonly Course[];
  readonly #crowd: Crowd;
  readonly #faults: Faults;
  readonly #pace: Sample[] = [];
  readonly #start = performance.now();
  #since = { at: 0, ended: 0 };
  #pausing = true;
  readonly #told = new Set<string>();

  constructor(
    options: SoakOptions,
    running: readonly Running[],
    say: (line: string) => void,
  ) {
    const { rate, seed } = options;
    this.#options = options;
    this.#say = say;
    this.#running = running;
    this.#courses = running.map((one) => new Course(one));
    const targets = running.map(({ stage, server }) => ({
      port: server.port,
      service: stage.service,
      weight: stage.weight,
    }));
    const order = { targets, rate, seed, patience: PATIENCE };
    this.#crowd = new Crowd(order, (tick) => this.#hear(tick));
    this.#faults = new Faults(
      running,
      randomFrom(seed + 1),
      (stage, count) => void this.#crowd.burst(stage, count),
    );
  }

  async run(): Promise<void> {
    const { seconds } = this.#options;
    const legs = Math.max(FEWEST_LEGS, Math.ceil(seconds / LONGEST_LEG));
    for (let leg = 1; leg <= legs; leg++) {
      await this.#leg(seconds / legs);
      await this.#rest();
      this.#tellRest(leg, legs);
    }
    await this.#crowd.end();
    for (const { server, ledger } of this.#running) {
      const { code } = await server.stop();
      await server.log.ended;
      if (code !== 0) ledger.problem("exit", `the server ended with ${code}`);
      ledger.balance();
      for (const line of server.log.others) ledger.problem("log", line);
    }
  }

  result(): SoakResult {
    const stages = this.#running.map((one, i) => {
      const course = this.#courses[i]!;
      return { ...one, course, grown: course.growth(this.#at) };
    });
    return {
      options: this.#options,
      stages,
      pace: this.#pace,
      faults: this.#faults.counts,
      problems: this.#problems(),
    };
  }

  #problems(): string[] {
    return this.#running.flatMap(({ stage, ledger }) =>
      ledger.problems().map((what) => `${stage.name}: ${what}`)
    );
  }

  /** Seconds since the start. */
  get #at(): number {
    return (performance.now() - this.#start) / 1000;
  }

  get #ended(): number {
    return this.#running.reduce((sum, { ledger }) => sum + ledger.ended, 0);
  }

  async #leg(seconds: number): Promise<void> {
    const sampled = Math.max(1, this.#options.seconds / 360);
    this.#since = { at: this.#at, ended: this.#ended };
    this.#pausing = false;
    await this.#crowd.resume();
    const sampling = setInterval(() => this.#look(), 1000 * sampled);
    const injecting = setInterval(
      () => this.#faults.inject(),
      1000 / this.#options.faults,
    );
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    clearInterval(injecting);
    clearInterval(sampling);
    this.#pausing = true;
  }

  /** Nobody connects, and every server must be as it was. */
  async #rest(): Promise<void> {
    await this.#crowd.pause();
    await this.#faults.settled();
    for (const course of this.#courses) await course.rest(this.#at);
  }

  #look(): void {
    const at = this.#at;
    const ended = this.#ended;
    const seconds = at - this.#since.at;
    this.#pace.push({ at, value: (ended - this.#since.ended) / seconds });
    this.#since = { at, ended };
    for (const course of this.#courses) course.look(at);
  }

  #hear(tick: Tick): void {
    tick.stages.forEach((stage, i) => this.#running[i]!.ledger.add(stage));
  }

  #tellRest(leg: number, legs: number): void {
    const problems = this.#problems();
    this.#say(
      `rest ${leg} of ${legs} at ${Math.round(this.#at)} s: ` +
        `${this.#ended.toLocaleString("en-US")} connections, ` +
        `${
          problems.length === 0 ? "all is well" : `${problems.length} problems`
        }`,
    );
    for (const problem of problems) {
      if (!this.#told.has(problem)) this.#say(`  ${problem}`);
      this.#told.add(problem);
    }
  }
}
