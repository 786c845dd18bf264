/**
 * Load that is there and does nothing: `hold`.
 *
 * @module
 */
import type { Share } from "./plan.ts";
import type { Recorder } from "./recorder.ts";
import { type Slot, Slots, type SlotWork } from "./slots.ts";

/** Requests under way at once: no more than a small backlog takes. */
const AT_ONCE = 16;

/** One process's open connections. */
export class HoldLoad {
  readonly #share: Share;
  readonly #recorder: Recorder;
  readonly #slots: Slots;
  /** Connections that stand. */
  #held: Slot[] = [];
  #underWay = 0;
  #isEnding = false;

  constructor(share: Share, work: SlotWork, recorder: Recorder) {
    this.#share = share;
    this.#recorder = recorder;
    this.#slots = new Slots(share.connections, work, {
      done: (slot) => this.#done(slot),
      failed: (_, kind) => {
        this.#underWay--;
        recorder.failed(kind);
      },
    });
  }

  /**
   * Opens all connections with a round trip each, serves each once more, and ends them.
   */
  run(mayGoOn: () => void): void {
    this.#each(this.#slots.all, (slot) => slot.begin());
    this.#recorder.tell("held");
    mayGoOn();
    this.#each(this.#takeHeld(), (slot) => slot.begin());
    this.#recorder.tell("held");
    mayGoOn();
    this.#isEnding = true;
    this.#each(this.#takeHeld(), (slot) => slot.end());
  }

  #takeHeld(): readonly Slot[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }

  /** Does something with each connection, some at a time, and waits for all. */
  #each(slots: readonly Slot[], action: (slot: Slot) => void): void {
    for (let next = 0; next < slots.length || this.#underWay > 0;) {
      while (next < slots.length && this.#underWay < AT_ONCE) {
        const slot = slots[next++]!;
        this.#underWay++;
        slot.due = slot.began = this.#recorder.now;
        this.#slots.attempt(slot, action);
      }
      this.#slots.wait(this.#recorder.untilTick);
      if (this.#recorder.tick()) {
        this.#slots.expire(this.#recorder.now - this.#share.timeout);
      }
    }
  }

  #done(slot: Slot): void {
    this.#underWay--;
    if (this.#isEnding) return;
    const latency = this.#recorder.since(slot.answeredAt) - slot.due;
    this.#recorder.answered(slot.due, latency, this.#share.size);
    this.#held.push(slot);
  }
}
