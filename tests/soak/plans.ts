/**
 * What single clients do, chosen at random, and what must come back to them.
 *
 * @module
 */
import { pattern } from "../../src/service/classic.ts";
import { randomBytes } from "../helpers/testing.ts";
import { Cycle } from "./cycle.ts";
import { between, pickWeighted, type Random } from "./random.ts";
import type { ServiceKind } from "./stages.ts";

/** One client's intentions. */
export interface Plan {
  /** How many bytes it sends. */
  readonly send: number;
  /** Where in {@linkcode SENT} they begin. */
  readonly offset: number;
  /** It sends in pieces of so many bytes, and waits for so many milliseconds between them. */
  readonly piece: { readonly size: number; readonly pause: number } | null;
  /** It resets the connection when so many bytes have come; null when it waits for the end. */
  readonly resetAfter: number | null;
  /** What must come. */
  readonly answer: Answer;
}

/** What must come back. */
export type Answer =
  | {
    /** Bytes of a stream. */
    readonly stream: Cycle;
    /** Where they begin in it. */
    readonly offset: number;
    /** How many there are in all; null for no end. */
    readonly length: number | null;
  }
  | {
    /** At most so many bytes. */
    readonly most: number;
    /** What must hold for them. */
    readonly holds: (bytes: Uint8Array<ArrayBuffer>) => boolean;
  };

/** What clients send. Its length is a prime number: parts that are exchanged would show. */
const SENT = new Cycle(randomBytes(1_048_573));
const PLUS_ONE = SENT.map((byte) => byte + 1);
const CHARGEN = new Cycle(pattern());

/** What clients send. */
export function sentPart(
  { offset }: Plan,
  position: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  return SENT.part(offset + position, length);
}

/** How a client goes about it. */
type Manner = "short" | "long" | "huge" | "slow" | "mute" | "reset";

const MANNERS: readonly (readonly [number, Manner])[] = [
  [9_000, "short"],
  [600, "long"],
  [3, "huge"],
  [120, "slow"],
  [150, "mute"],
  [200, "reset"],
];
const NO_LONGER_THAN = 3_000;

/** Chooses what the next client does. */
export function nextPlan(service: ServiceKind, random: Random): Plan {
  switch (service) {
    case "daytime":
      return silent({ most: 64, holds: isDaytime });
    case "time":
      return silent({ most: 8, holds: isTime });
    case "chargen": {
      const endless = { stream: CHARGEN, offset: 0, length: null };
      const enough = between(random, 1, 200_000);
      return { ...silent(endless), resetAfter: enough };
    }
    default:
      return conversation(service, pickWeighted(random, MANNERS), random);
  }
}

function silent(answer: Answer): Plan {
  return { send: 0, offset: 0, piece: null, resetAfter: null, answer };
}

function conversation(
  service: "echo" | "plus one" | "discard",
  manner: Manner,
  random: Random,
): Plan {
  const offset = between(random, 0, SENT.period - 1);
  const send = sizeOf(manner, random);
  const stream = service === "plus one" ? PLUS_ONE : SENT;
  const length = service === "discard" ? 0 : send;
  return {
    send,
    offset,
    piece: manner === "slow" ? pieces(send, random) : null,
    resetAfter: manner === "reset" ? between(random, 0, length) : null,
    answer: { stream, offset, length },
  };
}

function sizeOf(manner: Manner, random: Random): number {
  switch (manner) {
    case "short":
      return between(random, 1, 4_000);
    case "long":
    case "reset":
      return between(random, 4_000, 600_000);
    case "huge":
      return between(random, 16_000_000, 64_000_000);
    case "slow":
      return between(random, 10, 5_000);
    case "mute":
      return 0; // ends its side at once
  }
}

function pieces(send: number, random: Random): Plan["piece"] {
  const count = between(random, 2, 10);
  const pause = between(random, 50, NO_LONGER_THAN / count);
  return { size: Math.ceil(send / count), pause };
}

/** RFC 867 as `src/service/classic.ts` forms it; which time it is, its own tests look at. */
function isDaytime(bytes: Uint8Array): boolean {
  return /^[A-Z][a-z]+day, [A-Z][a-z]+ \d{1,2}, \d{4} \d\d:\d\d:\d\d-UTC\r\n$/
    .test(new TextDecoder().decode(bytes));
}

/** RFC 868: seconds since 1900, wrapping around in 2036. */
function isTime(bytes: Uint8Array): boolean {
  if (bytes.length !== 4) return false;
  const told = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const now = Math.floor(Date.now() / 1000) + 2_208_988_800;
  const late = (now - told) >>> 0;
  return late <= 120 || late >= 2 ** 32 - 2;
}
