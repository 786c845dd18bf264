/**
 * The machine code that JavaScript cannot do without: what runs before `main`, and what must not be
 * JavaScript, since JavaScript writes to memory whenever it runs. It is C (`*.c` here), compiled
 * beforehand and carried as bytes: see README.md.
 *
 * The loader maps it for us (`LD_PRELOAD`, ld.so(8)), readable and executable, never both writable and
 * executable. Linux on x86_64 alone: elsewhere there is none, and what needs it does without.
 *
 * @module
 */
import { cLibrary } from "../../posix/libc.ts";
import { readProcFile } from "../../posix/proc.ts";

const libc = cLibrary("unsetenv");

const VARIABLE = "LD_PRELOAD";

/** Its functions; each is documented where it is written. */
const PROTOTYPES = {
  /** `int mpserv_memory(enum step step)` of `settle.c`. */
  mpserv_memory: { parameters: ["i32"], result: "i32" },
  /** `long mpserv_make_context(void)` of `rewind.c`. */
  mpserv_make_context: { parameters: [], result: "i64" },
  /** `long mpserv_settle_finely(const struct wishes *)` of `rewind.c`. */
  mpserv_settle_finely: { parameters: ["buffer"], result: "i32" },
  /** `long mpserv_mark(const struct wishes *)` of `rewind.c`. */
  mpserv_mark: { parameters: ["buffer"], result: "i32" },
  /** `void mpserv_rewind(const u8 *report, u64 length)` of `rewind.c`. */
  mpserv_rewind: { parameters: ["buffer", "u32"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

/** See {@linkcode machineCode}. */
export type MachineCode = Deno.DynamicLibrary<typeof PROTOTYPES>["symbols"];

/**
 * The functions of the library that this process was started with; call it while FFI permission still stands. Returns
 * the functions; null where there is no such library.
 */
export function machineCode(): MachineCode | null {
  const variables = readProcFile("/proc/self/environ").split("\0");
  const found = variables.find((text) => text.startsWith(`${VARIABLE}=`));
  if (found === undefined) return null;
  // The loader knows the file already, and gives the addresses in it.
  return Deno.dlopen(found.slice(VARIABLE.length + 1), PROTOTYPES).symbols;
}

/** Forgets the library in a process that was started with it: its children do not need it. */
export function forgetLibrary(): void {
  libc.unsetenv(new TextEncoder().encode(`${VARIABLE}\0`));
}
