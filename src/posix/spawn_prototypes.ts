/**
 * The C functions around `posix_spawn(3)`, a part of the table in `libc.ts`.
 *
 * @module
 */

/** Name, parameters and result of each, as `Deno.dlopen` takes them. */
export const spawnPrototypes = {
  /**
   * `int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *file_actions,
   * const posix_spawnattr_t *attrp, char *const argv[], char *const envp[])`: returns the error's number.
   */
  posix_spawn: {
    parameters: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  /** `int posix_spawn_file_actions_init(posix_spawn_file_actions_t *file_actions)`. */
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  /** `int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *, int fildes, int newfildes)`. */
  posix_spawn_file_actions_adddup2: {
    parameters: ["buffer", "i32", "i32"],
    result: "i32",
  },
  /** `int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int from)` (glibc 2.34). */
  posix_spawn_file_actions_addclosefrom_np: {
    parameters: ["buffer", "i32"],
    result: "i32",
    optional: true,
  },
  /** `int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *file_actions)`. */
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  /** `int posix_spawnattr_init(posix_spawnattr_t *attr)`. */
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  /** `int posix_spawnattr_setflags(posix_spawnattr_t *attr, short flags)`. */
  posix_spawnattr_setflags: { parameters: ["buffer", "i16"], result: "i32" },
  /** `int posix_spawnattr_setpgroup(posix_spawnattr_t *attr, pid_t pgroup)`. */
  posix_spawnattr_setpgroup: { parameters: ["buffer", "i32"], result: "i32" },
  /** `int posix_spawnattr_setsigmask(posix_spawnattr_t *attr, const sigset_t *sigmask)`. */
  posix_spawnattr_setsigmask: {
    parameters: ["buffer", "buffer"],
    result: "i32",
  },
  /** `int posix_spawnattr_setsigdefault(posix_spawnattr_t *attr, const sigset_t *sigdefault)`. */
  posix_spawnattr_setsigdefault: {
    parameters: ["buffer", "buffer"],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;
