/**
 * The choices for connection processes, as the parent sends them: service,
 * sandbox, user and limits.
 *
 * @module
 */
import type { Resource } from "../posix/process.ts";
import type { User } from "../posix/users.ts";
import type { Project } from "../runtime/roles.ts";

/** The user, directory and limits of a process. */
export interface ProcessAttributes {
  readonly user?: User | undefined;
  /** Where relative paths start. */
  readonly directory?: string | undefined;
  /** Permissions that new files do not get. */
  readonly umask?: number | undefined;
  /** From -20, which takes all, to 19, which gives way. */
  readonly nice?: number | undefined;
  /**
   * Its limits: `cpu` in whole seconds, `memory` in bytes. The memory of a program is counted
   * from nothing, that of any other service from what the runtime has before it begins.
   */
  readonly limits: Readonly<Partial<Record<Resource, number>>>;
}

/** How much is refused. */
export const SANDBOX_LEVELS = ["off", "default", "strict"] as const;

/** The sandbox that a parent requests. */
export interface SandboxChoice {
  /** How much is refused. */
  readonly level: typeof SANDBOX_LEVELS[number];
  /** Whether a person asked for it, so that less will not do. */
  readonly isWanted: boolean;
  /** Whether the kernel filters system calls; the rest is done without. */
  readonly hasFilters: boolean;
}

/** Whether workers of a pool rewind their memory: where they can, or else there is no server, or never. */
export const REWIND_CHOICES = ["auto", "on", "off"] as const;
/** One of {@linkcode REWIND_CHOICES}. */
export type RewindChoice = typeof REWIND_CHOICES[number];

/** The values of `--model`. `auto` is `fork` where it works, and `spawn` elsewhere. */
export const MODEL_NAMES = ["auto", "spawn", "fork", "pool"] as const;

/** A program, as a person chose it. */
export interface ProgramChoice {
  /** The file, absolute; written so, too. */
  readonly path: string;
  /** All arguments, the name first, as typed; whatever its bytes, as `posix/proc.ts` writes them. */
  readonly args: readonly string[];
  /** Its environment, written so, too. */
  readonly env: Readonly<Record<string, string>>;
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

/** Where a program's standard error goes. */
export const STDERR_CHOICES = ["server", "client"] as const;
type StderrChoice = typeof STDERR_CHOICES[number];
/** A handler's module, by its URL. */
interface ModuleChoice {
  readonly module: string;
  /** The project that it belongs to; none in a compiled program. */
  readonly project?: Project | undefined;
}

/** Which service to run: a built-in one, the default export of a module, or a program. */
export type ServiceChoice =
  | { readonly name: typeof SERVICE_NAMES[number] }
  | ModuleChoice
  | { readonly program: ProgramChoice };
