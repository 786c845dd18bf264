/**
 * What serves, as a parent tells a child.
 *
 * @module
 */
import type { Project } from "../runtime/project.ts";

/** A program, as a person chose it. */
export interface ProgramChoice {
  /** The file, absolute; written so, too. */
  readonly path: string;
  /** All arguments, the name first, as typed; whatever its bytes, as `posix/byte_text.ts` writes them. */
  readonly args: readonly string[];
  /** Its environment, written so, too. */
  readonly env: Readonly<Record<string, string>>;
  /** Where its standard error goes. */
  readonly stderr: StderrChoice;
}

/** The names of the built-in services. */
export const SERVICE_NAMES = [
  "echo",
  "discard",
  "daytime",
  "chargen",
  "time",
] as const;
/** One of {@linkcode SERVICE_NAMES}. */
export type ServiceName = typeof SERVICE_NAMES[number];

/** Where a program's standard error goes. */
export const STDERR_CHOICES = ["server", "client"] as const;
/** One of {@linkcode STDERR_CHOICES}. */
export type StderrChoice = typeof STDERR_CHOICES[number];
/** A handler's module, by its URL. */
export interface ModuleChoice {
  /** The URL. */
  readonly module: string;
  /** The project that it belongs to; none in a compiled program. */
  readonly project?: Project | undefined;
}

/** Which service to run: a built-in one, the default export of a module, or a program. */
export type ServiceChoice =
  | { readonly name: ServiceName }
  | ModuleChoice
  | { readonly program: ProgramChoice };
