/**
 * The two executables, and how each is compiled.
 *
 * @module
 */
import { START_V8_FLAGS, ZYGOTE_V8_FLAGS } from "../src/runtime/roles.ts";
import { fail } from "./fail.ts";
import type { Stage } from "./stage.ts";

/** The systems that there are executables for, as Deno names them. */
export const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
] as const;
/** One of {@linkcode TARGETS}. */
export type Target = typeof TARGETS[number];

/** An executable. */
export interface Executable {
  /** Its name, which is its file's, too. */
  readonly name: "mpserv" | "mpclient";
  /** What it may do. */
  readonly permissions: readonly string[];
  /** V8 flags, which cannot be given to it later. */
  readonly v8Flags: readonly string[];
  /** What `main.ts` is given before the words of the person. */
  readonly args: readonly string[];
  /**
   * The bundles that it has: a folder, or some of its files. The runtime looks at each byte when it starts, some 10 ms
   * a megabyte (Deno 2.7.11).
   */
  readonly bundles: readonly string[];
}

const PERMISSIONS = ["ffi", "net", "run", "read", "write", "env"];

/** Both of them. */
export const EXECUTABLES: readonly Executable[] = [
  {
    name: "mpserv",
    permissions: [...PERMISSIONS, "sys"], // what a handler may be granted
    v8Flags: ZYGOTE_V8_FLAGS,
    args: [],
    bundles: ["roles"],
  },
  {
    name: "mpclient",
    permissions: PERMISSIONS,
    v8Flags: START_V8_FLAGS,
    args: ["@mpclient"],
    bundles: ["roles/client.js", "roles/writer.js"],
  },
];

/**
 * Makes one.
 *
 * @param executable Which.
 * @param stage Where its bundles are.
 * @param options For which system, this one unless it says so, and the file to write.
 * @throws {ReleaseError} When `deno compile` fails, which has said why.
 */
export async function compile(
  { name, permissions, v8Flags, args, bundles }: Executable,
  stage: Stage,
  { target, output }: { target?: Target; output: string },
): Promise<void> {
  checkRuntime(target);
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--quiet",
      "--no-check",
      ...(target ? ["--target", target] : []),
      ...permissions.map((permission) => `--allow-${permission}`),
      ...(v8Flags.length ? [`--v8-flags=${v8Flags.join(",")}`] : []),
      "--no-lock",
      "--no-code-cache", // it would be read from /tmp, where another user may have put one: code of theirs would run
      ...bundles.map((path) => `--include=${path}`), // they are looked up by name
      "--output",
      output,
      "main.js",
      ...args,
    ],
    cwd: stage.path,
    env: { OTEL_DENO: "false" }, // what it is here would hold in every process of the executable
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (code === 0) return;
  fail(
    `Cannot compile ${name}: deno compile ended with code ${code}: without network access, set DENORT_BIN to a runtime for this system`,
  );
}

/** A runtime that is given is of this system alone. */
function checkRuntime(target: Target | undefined): void {
  if (!Deno.env.get("DENORT_BIN")) return;
  if (target === undefined || target === Deno.build.target) return;
  fail(
    `Cannot compile for ${target}: DENORT_BIN names a runtime of ${Deno.build.target}: unset it, or use --target ${Deno.build.target}`,
  );
}
