/**
 * Who a process is and what it may use, as a parent tells a child.
 *
 * @module
 */
import type { Resource } from "../posix/limits.ts";
import type { User } from "../posix/users.ts";

/** What was asked for. */
export interface Standing {
  /** As whom it runs. */
  readonly user?: User | undefined;
  /** Where relative paths start. */
  readonly directory?: string | undefined;
  /** Permissions that new files do not get. */
  readonly umask?: number | undefined;
  /** From -20, which takes all, to 19, which gives way. */
  readonly nice?: number | undefined;
  /**
   * What it may use: `cpu` in whole seconds, `memory` in bytes. The memory of a program is counted
   * from nothing, that of any other service from what the runtime has before it begins.
   */
  readonly limits: Readonly<Partial<Record<Resource, number>>>;
}
