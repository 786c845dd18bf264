/**
 * The examples of the documents, taken out of them, so that tests run what is printed.
 *
 * @module
 */

/** Every document that a user reads; the first one leads to all others. */
export const DOCUMENTS = [
  "README.md",
  ".github/README.ko.md",
  ".github/SECURITY.md",
  ".release/README.md",
  "src/README.md",
  "src/README.ko.md",
  "src/bench/README.md",
  "src/cli/README.md",
  "src/cli/control/README.md",
  "src/page/README.md",
  "src/page/README.ko.md",
  "src/sandbox/README.md",
  "src/server/README.md",
  "src/service/README.md",
  "src/zygote/README.md",
  "tests/bench/README.md",
  "tests/faults/README.md",
] as const;

/** A block of code. */
export interface Block {
  /** The language after the fence: `ts`, `sh`, `console`. */
  readonly language: string;
  /** Which of {@linkcode DOCUMENTS} it stands in. */
  readonly file: string;
  /** Its first line in the file, counted from 1. */
  readonly line: number;
  /** The code, with its last line's end. */
  readonly text: string;
}

/** A command of a console block, and what it printed. */
export interface Step {
  /** The command, without the prompt. */
  readonly command: string;
  /** All lines up to the next command. */
  readonly output: string;
}

/** Every block of code of a document, in their order. */
export function blocksOf(file: string): Block[] {
  const text = Deno.readTextFileSync(
    new URL(`../../${file}`, import.meta.url),
  );
  const blocks: Block[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const fence = /^```(\w*)/.exec(line);
    if (open && fence) {
      const code = open.lines.join("\n") + "\n";
      blocks.push({ ...open, file, text: code });
      open = undefined;
    } else if (fence) {
      open = { language: fence[1]!, line: index + 2, lines: [] };
    } else open?.lines.push(line);
  }
  return blocks;
}

/**
 * The name of a block that is a file: it begins with `// NAME`.
 *
 * @param block The block.
 * @returns Such as `calculator.ts`; undefined when it is none.
 */
export function fileName({ language, text }: Block): string | undefined {
  return language === "ts"
    ? /^\/\/ ([\w.-]+\.ts)\b/.exec(text)?.[1]
    : undefined;
}

/**
 * The commands of a console block.
 *
 * @param block The block.
 * @returns In their order.
 */
export function stepsOf({ text }: Block): Step[] {
  return text.split(/^\$ /m).slice(1).map((step) => {
    const end = step.indexOf("\n");
    return { command: step.slice(0, end), output: step.slice(end + 1) };
  });
}
