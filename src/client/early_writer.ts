/**
 * The writing process, started before the command line is understood: the library that reads it takes as
 * long to load as a process takes to start, and the two go on at the same time.
 *
 * @module
 */
import { Writer } from "./writer_process.ts";

/** What the writer is to look for, see {@linkcode Writer.start}. */
export type Mode = "text" | "raw";

/** Words after which there may be no writing process. */
const WITHOUT = ["--lock-step", "--help", "-h", "--version"];

let early: { readonly mode: Mode; readonly writer: Writer } | null = null;

/**
 * Starts the writer that a command line most likely wants. A command that wants none, or ends before it
 * has a connection, just ends: so does the writer then, and it has not touched standard input.
 *
 * @param words What was typed after the command's name.
 */
export function startEarly(words: readonly string[]): void {
  if (words.some((word) => WITHOUT.includes(word))) return;
  const mode = words.includes("--raw") ? "raw" : "text";
  try {
    early = { mode, writer: Writer.start(mode) };
  } catch {
    // The command says why, when it needs one.
  }
}

/**
 * The writer that a command wants.
 *
 * @param mode Whether it looks for the quit line (`text`) or not (`raw`).
 * @returns The one that was started early, if it is such a one; the caller's to dispose of.
 * @throws {PosixError} When descriptors run out.
 * @throws {Error} When the system starts no process.
 */
export async function takeWriter(mode: Mode): Promise<Writer> {
  const taken = early;
  early = null;
  if (taken?.mode === mode) return taken.writer;
  await taken?.writer[Symbol.asyncDispose]();
  return Writer.start(mode);
}
