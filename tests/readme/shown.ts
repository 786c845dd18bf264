/**
 * The commands that the documents show, and their execution in a test.
 *
 * @module
 */
import { DEADLINE } from "../helpers/testing.ts";
import { commandLine } from "../helpers/command.ts";
import { type Block, blocksOf, DOCUMENTS, stepsOf } from "../helpers/readme.ts";

/** Every block of commands. */
export const blocks = DOCUMENTS.flatMap(blocksOf).filter(({ language }) =>
  language === "sh" || language === "console"
);

/** The commands of a block, without prompts, comments and what they printed. */
export function commandsOf(block: Block): string[] {
  if (block.language === "console") {
    return stepsOf(block).map(({ command }) => command).filter(Boolean);
  }
  return block.text.replaceAll("\\\n", " ").split("\n")
    .map((line) => line.replace(/\s+#.*$/, "").trim()).filter(Boolean);
}

/** The options behind `serve`, as they are typed, without the port. */
export function optionsOf(command: string): string[] {
  const words: string[] = command.match(/'[^']*'|\S+/g) ?? [];
  return words.slice(words.indexOf("serve") + 1)
    .map((word) => word.replaceAll("'", ""))
    .filter((word) => !/^\d+$/.test(word) || word === "2");
}

/** `mpserv`, as what is typed between a shell's words. */
const MPSERV = commandLine([]).map((word) => `'${word}'`).join(" ");

/** Runs what is shown, with `mpserv` in the place of its name. */
export async function shell(
  program: string,
  command: string,
): Promise<{ code: number; stdout: string }> {
  const text = command.replaceAll(/\bmpserv(?= )/g, MPSERV);
  const { code, stdout } = await new Deno.Command(program, {
    args: ["-c", text],
    stdin: "null",
    signal: AbortSignal.timeout(DEADLINE),
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout) };
}
