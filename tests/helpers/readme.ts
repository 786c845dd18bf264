/**
 * The examples of the READMEs, taken out of them, so that tests run what is printed.
 *
 * @module
 */

/** The files, in the order of how much is in them. */
export const READMES = ["README.md", ".github/README.ko.md"] as const;

/** A block of code. */
export interface Block {
  /** What follows the fence: `ts`, `sh`, `console`. */
  readonly language: string;
  /** The headings that it stands under, the nearest one last. */
  readonly headings: readonly string[];
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

/**
 * Every block of code.
 *
 * @param heading Only those below this heading, whatever stands between.
 * @param file Which of {@linkcode READMES}.
 * @returns In their order.
 */
export function readmeBlocks(
  heading?: string,
  file: string = READMES[0],
): Block[] {
  const text = Deno.readTextFileSync(
    new URL(`../../${file}`, import.meta.url),
  );
  const blocks: Block[] = [];
  let headings: string[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const fence = /^```(\w*)/.exec(line);
    if (open && fence) {
      const code = open.lines.join("\n") + "\n";
      blocks.push({ ...open, headings, text: code });
      open = undefined;
    } else if (fence) {
      open = { language: fence[1]!, line: index + 2, lines: [] };
    } else if (open) open.lines.push(line);
    else {
      const [, level, title] = /^(#+) (.*)$/.exec(line) ?? [];
      if (level) headings = [...headings.slice(0, level.length - 1), title!];
    }
  }
  return blocks.filter((block) =>
    heading === undefined || block.headings.includes(heading)
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
