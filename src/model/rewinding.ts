/**
 * Whether the workers of a pool rewind their memory, and how that goes.
 *
 * @module
 */
import { REWINDING, SECRET_SIZE } from "../wire/records.ts";
import type { RewindChoice } from "../wire/choices.ts";
import type { RewindState } from "./model.ts";

const REWOUND = REWINDING.indexOf("rewound");
export const NOBODY = {
  peer: new Uint8Array(0),
  secret: new Uint8Array(SECRET_SIZE),
};

export class Rewinding implements RewindState {
  readonly #choice: RewindChoice;
  /** Why they do not; undefined where they do. */
  #why: string | undefined;
  readonly #tell: (why: string | null) => void;
  rewound = 0;
  readonly replaced: Record<string, number> = {};

  /** `why`: why it cannot be; undefined where it is to be tried. */
  constructor(
    choice: RewindChoice,
    tell: (why: string | null) => void,
    why?: string,
  ) {
    this.#choice = choice;
    this.#tell = tell;
    this.#why = choice === "off" ? "" : why;
  }

  /** Whether workers that start from here on are to rewind. */
  get isOn(): boolean {
    return this.#why === undefined;
  }

  get why(): string {
    return this.#why ?? "";
  }

  /** The first worker could not: no other will try. Returns whether a person will have nothing else. */
  refuse(why: string): boolean {
    this.#why ??= why;
    return this.#choice === "on";
  }

  /** A worker said `done`. `status`: what it said beside it. Returns whether it can serve another connection. */
  isFit(status: number): boolean {
    if (status === REWOUND) {
      this.rewound++;
      this.#tell(null);
      return true;
    }
    const why = REWINDING[status] || "it said nothing of its memory";
    this.replaced[why] = (this.replaced[why] ?? 0) + 1;
    this.#tell(why);
    return false;
  }
}
