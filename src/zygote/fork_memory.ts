/**
 * What a zygote's children get of its memory. A fork copies an entry of the page tables for each page that the
 * process ever wrote, thousands of them, and the child's end undoes them all: a third of what a connection costs,
 * for pages of which a child needs a tenth.
 *
 * 1. **Settling**: all that has been written until now becomes the content of a nameless file
 *    (`memfd_create(2)`), mapped over itself: who needs a page of a file finds it, and nothing of it is copied.
 * 2. **Letting go**: who misses a page gets 16 around it, and what the zygote touches children get. So it lets go
 *    of all that is the file's, and rehearses a child's life: what that touches it has again, page by page, and
 *    hands on.
 *
 * Nothing may write in between, and JavaScript always does: it is machine code (`machine_code/settle.c`). Where
 * there is none, forks cost more and all else is the same.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";
import type { MachineCode } from "./machine_code/machine_code.ts";

/** After so many forks the zygote's own code has been used, too. */
const FIRST = 16;
/** At these forks the pages that the zygote touches are handled one by one, too, though such forks cost more. */
const FORKS_APART = 4;
/** After so many forks each it looks how much more children get by now. */
const LOOK_EVERY = 32;
/** What the kernel enters for a page that is missed: one to be written to, up to 16 of a file. */
const PAGES_A_FAULT = 4;
/** When all forks together have copied so many pages more, it is cheaper to begin anew: that takes some 20 ms. */
const MOST_WASTE = 400_000;
/** The number of rehearsals before the measured one, so that everything is compiled by then. */
const WARM = 4;
/** And so many calls of machine code each time: until the call is optimized, it touches a thousand pages. */
const CALLS = 64;

/** `enum step` of `machine_code/settle.c`. */
const NOTHING = 0,
  FAULTS = 1,
  SETTLE = 2,
  LET_GO = 3,
  LET_GO_APART = 4,
  JOIN = 5;

/** Prepares a zygote's memory between forks. */
export class ForkMemory {
  readonly #code: MachineCode | null;
  readonly #rehearse: () => void;
  #forks = 0;
  #settleAt = FIRST;
  #joinAt = 0;
  /** Page faults of this process, and forks, at the last look; null until what was put apart is joined. */
  #last: { faults: number; forks: number } | null = null;
  /** Page faults a fork, where there were fewest: after each, what the zygote writes is copied. */
  #least = Infinity;
  /** Page faults beside those, since it began. */
  #more = 0;
  #waste = 0;

  /**
   * Makes that of this process. `code`: null where there is none: nothing is done then. `rehearse`: does once, and at
   * once, all that a child does.
   */
  constructor(code: MachineCode | null, rehearse: () => void) {
    this.#code = code;
    this.#rehearse = () => {
      try {
        rehearse();
      } catch (error) {
        if (!(error instanceof PosixError)) throw error; // else forks cost more, and nothing else
      }
    };
  }

  /** A child has been forked. */
  forked(): void {
    const forks = ++this.#forks;
    if (this.#code === null) return;
    if (forks === this.#settleAt) this.#beginAnew(this.#code);
    else if (forks === this.#joinAt) this.#join(this.#code);
    else if (forks % LOOK_EVERY === 0) this.#look(this.#code);
  }

  /** All is rehearsed: what was written until now is not written again. */
  isWarm(): void {
    this.#settleAt = this.#forks + FIRST;
  }

  #look(code: MachineCode): void {
    if (this.#last === null) return;
    const faults = step(code, FAULTS);
    const forks = this.#forks - this.#last.forks;
    const since = faults - this.#last.faults;
    this.#last = { faults, forks: this.#forks };
    this.#least = Math.min(this.#least, since / forks);
    this.#more += since - this.#least * forks;
    this.#waste += forks * PAGES_A_FAULT * this.#more;
    if (this.#waste > MOST_WASTE) this.#beginAnew(code);
  }

  #beginAnew(code: MachineCode): void {
    this.#last = null;
    this.#waste = this.#more = 0;
    this.#joinAt = this.#forks + FORKS_APART;
    if (step(code, SETTLE) !== 0) return;
    for (let i = 0; i < WARM; i++) {
      this.#rehearse();
      for (let k = 0; k < CALLS; k++) step(code, NOTHING);
    }
    step(code, LET_GO); // it looks which 16 pages it touches …
    this.#rehearse();
    step(code, LET_GO_APART); // … and which of those
    this.#rehearse();
  }

  #join(code: MachineCode): void {
    step(code, JOIN);
    this.#last = { faults: step(code, FAULTS), forks: this.#forks };
  }
}

function step(code: MachineCode, which: number): number {
  return code.mpserv_memory(which);
}
