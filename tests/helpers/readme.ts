/**
 * The examples of README.md, taken out of it, so that tests run what is printed.
 *
 * @module
 */

/** A block of code. */
export interface Block {
  /** What follows the fence: `ts`, `sh`, `console`. */
  readonly language: string;
  /** The heading that it stands under. */
  readonly heading: string;
  /** Its first line in README.md, counted from 1. */
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

/**
 * Every block of code.
 *
 * @param heading Only those under this heading.
 * @returns In their order.
 */
export function readmeBlocks(heading?: string): Block[] {
  const text = Deno.readTextFileSync(
    new URL("../../README.md", import.meta.url),
  );
  const blocks: Block[] = [];
  let above = "";
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const fence = /^```(\w*)/.exec(line);
    if (open && fence) {
      const code = open.lines.join("\n") + "\n";
      blocks.push({ ...open, heading: above, text: code });
      open = undefined;
    } else if (fence) {
      open = { language: fence[1]!, line: index + 2, lines: [] };
    } else if (open) open.lines.push(line);
    else above = /^#+ (.*)$/.exec(line)?.[1] ?? above;
  }
  return blocks.filter((block) =>
    heading === undefined || block.heading === heading
  );
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
