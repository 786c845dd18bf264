/**
 * A handler's project, as far as the runtime of a process must know it to load the handler as `deno run`
 * would.
 *
 * @module
 */

/** What a process that loads the handler is started with. */
export interface Project {
  /** Deno's flags: configuration, lock file, node_modules, unstable APIs. */
  readonly flags: readonly string[];
  /**
   * Every name that its code may import, in absolute addresses: what `--import-map` must say if it is to
   * say more than `flags`, which have the same already.
   */
  readonly importMap: {
    readonly imports: Readonly<Record<string, string | null>>;
    readonly scopes: Readonly<
      Record<string, Readonly<Record<string, string | null>>>
    >;
  };
  /**
   * A directory for import maps, one a role; undefined where they can be a part of the command line. Where a
   * `data:` URL meets a configuration, Deno 2.9 may end with a panic.
   */
  readonly directory?: string | undefined;
  /** Files and directories that loading it reads. */
  readonly roots: readonly string[];
}

/** What a process is started with that loads no handler: it imports nothing but our own files. */
export const NO_PROJECT: Project = {
  flags: ["--no-config", "--no-lock"],
  importMap: { imports: {}, scopes: {} },
  roots: [],
};
