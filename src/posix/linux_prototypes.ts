/**
 * Functions of Linux alone that reach the kernel without a wrapper of their own, a part of the table in
 * `libc.ts`.
 *
 * @module
 */

/** Name, parameters and result of each, as `Deno.dlopen` takes them. */
export const linuxPrototypes = {
  /** `int prctl(int option, unsigned long arg2 … arg5)` (Linux). */
  prctl: {
    parameters: ["i32", "buffer", "u32", "u32", "u32"],
    result: "i32",
    optional: true,
  },
  /** `prctl(2)` with numbers and addresses where the above takes a buffer (Linux). */
  prctlNumbers: {
    name: "prctl",
    parameters: ["i32", "u64", "u64", "u64", "u64"],
    result: "i32",
    optional: true,
  },
  /** `long syscall(long number, unsigned int operation, unsigned int flags, void *args)`: seccomp(2) (Linux). */
  syscall: {
    parameters: ["u64", "u32", "u32", "buffer"],
    result: "i32",
    optional: true,
  },
  /** `int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data)` (Linux). */
  capset: { parameters: ["buffer", "buffer"], result: "i32", optional: true },
  /** `long syscall(long number, long arg1 … arg5)` with numbers and addresses (Linux). */
  systemCall: {
    name: "syscall",
    parameters: ["u64", "u64", "u64", "u64", "u64", "u64"],
    result: "i32",
    optional: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;
