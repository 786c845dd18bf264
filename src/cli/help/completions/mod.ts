/**
 * Completions for shells, made of what can be typed.
 *
 * They are made here and not by a library: those of npm (`@bomb.sh/tab`) start the program at every
 * press of TAB and evaluate the words typed so far, and know neither files nor the program after `--`.
 *
 * @module
 */
import type { Grammar } from "../../grammar.ts";
import type { Shell } from "../manual_options.ts";
import { bashCompletions } from "./bash.ts";
import { fishCompletions } from "./fish.ts";
import { zshCompletions } from "./zsh.ts";

const MAKERS: Readonly<
  Record<Shell, (programs: readonly Grammar[]) => string>
> = { bash: bashCompletions, zsh: zshCompletions, fish: fishCompletions };

/** Makes a shell's completions. */
export function makeCompletions(
  shell: Shell,
  programs: readonly Grammar[],
): string {
  return MAKERS[shell](programs);
}
