/**
 * Builds the machine code of `src/zygote/machine_code/` and writes it into a module that carries it:
 * `deno task machine-code`, after a change of the C code there.
 *
 * @module
 */
const FOLDER = new URL("../src/zygote/machine_code/", import.meta.url);
const MODULE = new URL("library.ts", FOLDER);
const COMPILER = "gcc";
const LINE = 152;

/**
 * Freestanding, and the same bytes whenever and wherever the same compiler builds it. Two segments: what is
 * read and run, and what the loader writes to.
 */
const FLAGS = [
  ...["-Os", "-std=gnu11", "-Wall", "-Wextra", "-Werror"],
  ...["-shared", "-fPIC", "-fvisibility=hidden", "-nostdlib", "-ffreestanding"],
  ...["-fno-builtin", "-fno-tree-loop-distribute-patterns"], // no calls of memcpy(3)
  ...["-fno-stack-protector", "-fcf-protection=none", "-mgeneral-regs-only"],
  ...["-fno-asynchronous-unwind-tables", "-fno-ident", "-s"],
  "-Wl,-z,noseparate-code,-z,norelro,-z,noexecstack,--build-id=none",
  "-Wl,--hash-style=sysv,-init,mpserv_pack",
];

/** The C code that is compiled, in the order of its names. */
export function sources(): string[] {
  return files(".c");
}

/** What {@linkcode FLAGS} and the code are, as one number: the module says which it was made from. */
export async function digest(): Promise<string> {
  const texts = [...files(".h"), ...files(".c")].map((name) =>
    Deno.readTextFileSync(new URL(name, FOLDER))
  );
  const bytes = new TextEncoder().encode([...FLAGS, ...texts].join("\0"));
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(hash).toHex();
}

/**
 * Which compiler and linker there are.
 *
 * @returns Their first lines; null where one is missing.
 */
export async function toolchain(): Promise<string | null> {
  const lines: string[] = [];
  for (const tool of [COMPILER, "ld"]) {
    const line = await firstLine(tool);
    if (line === null) return null;
    lines.push(line);
  }
  return lines.join("; ");
}

/** Compiles, to a file of the caller's. */
export async function build(to: string): Promise<Uint8Array<ArrayBuffer>> {
  const { success, stderr } = await new Deno.Command(COMPILER, {
    args: [...FLAGS, "-o", to, ...sources()],
    cwd: FOLDER,
    env: { LC_ALL: "C" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return Deno.readFileSync(to);
}

function files(ending: string): string[] {
  return [...Deno.readDirSync(FOLDER)].map(({ name }) => name)
    .filter((name) => name.endsWith(ending)).sort();
}

async function firstLine(tool: string): Promise<string | null> {
  try {
    const { stdout } = await new Deno.Command(tool, { args: ["--version"] })
      .output();
    return new TextDecoder().decode(stdout).split("\n")[0]!;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function write(): Promise<void> {
  const to = await Deno.makeTempFile({ suffix: ".so" });
  try {
    const text = (await build(to)).toBase64();
    const lines = text.match(new RegExp(`.{1,${LINE}}`, "g"))!;
    Deno.writeTextFileSync(
      MODULE,
      `/**
 * The machine code of this folder, a shared library (elf(5)) for Linux on x86_64: written by
 * \`deno task machine-code\`.
 *
 * @module
 */

/** What it was made from: SHA-256 of the flags and the C code. */
export const SOURCES =
  "${await digest()}";
/** What made it. */
export const TOOLCHAIN =
  "${await toolchain()}";
/** In base64. */
export const LIBRARY: string = [
${lines.map((line) => `  "${line}",\n`).join("")}].join("");
`,
    );
  } finally {
    Deno.removeSync(to);
  }
}

if (import.meta.main) await write();
