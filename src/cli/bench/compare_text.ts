/**
 * A comparison of clients, as a person reads it in a terminal.
 *
 * @module
 */
import type { Comparison, Run } from "../../bench/compare.ts";
import { formatAddress } from "../../posix/address.ts";
import { formatDuration } from "../values.ts";

/** Characters of the longest bar. */
const WIDTH = 50;
/** From nothing to a whole character, in eighths. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/**
 * The result as a picture: a bar a client, as long as it took.
 *
 * @param comparison What was found.
 * @returns The text, with its last newline.
 */
export function comparisonText(comparison: Comparison): string {
  const { plan, split, lockStep, ratio } = comparison;
  const { target, delay, bandwidth, lines } = plan;
  const link = [
    `${formatDuration(delay)} one way (${
      formatDuration(2 * delay)
    } a round trip)`,
    bandwidth === null ? null : `${number(bandwidth)} bytes a second`,
  ].filter((part) => part !== null).join(", ");
  const longest = Math.max(split.time, lockStep.time);
  return [
    `compare ${formatAddress(target)}, ${number(lines)} lines, link of ${link}`,
    "",
    ...[split, lockStep].flatMap((run) => picture(run, longest)),
    `  split moves ${number(ratio)} times as many lines a second as lock-step`,
    "",
  ].join("\n");
}

function picture(
  { client, time, linesPerSecond }: Run,
  longest: number,
): string[] {
  const eighths = Math.max(1, Math.round(8 * WIDTH * time / longest));
  const bar = EIGHTHS[8]!.repeat(eighths >> 3) + EIGHTHS[eighths & 7];
  const took = `${number(time)} ms`.padStart(10);
  const speed = `${number(linesPerSecond)} lines/s`.padStart(16);
  return [`  ${client.padEnd(10)}${took}${speed}`, `  ${bar}`, ""];
}

/** Digits that mean something, in groups. */
function number(value: number): string {
  return value.toLocaleString("en-US", {
    maximumFractionDigits: value < 100 ? 1 : 0,
  });
}
