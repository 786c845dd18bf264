/**
 * How the runtime of a child is started.
 *
 * @module
 */
import type { ChildOptions } from "../child/options.ts";
import { permissionFlags } from "../permissions.ts";
import { probeFlags } from "../child/probe.ts";
import { type CommandLine, roleCommand } from "../program.ts";

// No threads of V8's own: they would not exist in a forked child. All that a child runs is optimized by
// TurboFan in the zygote, after few calls, and by nothing else: optimized code writes no counters and no
// feedback, each of which would cost every child a page, and calls C without detours; what is left to be
// compiled later would be compiled in every child anew, on its only thread.
const ZYGOTE_V8_FLAGS = [
  "--single-threaded",
  "--no-maglev",
  "--invocation-count-for-turbofan=20",
  "--minimum-invocations-after-ic-update=10",
];

/**
 * The command line of a process that serves.
 *
 * @param args The role's arguments.
 * @param options How it serves.
 * @returns What to start.
 */
export function childCommand(
  args: readonly string[],
  options: ChildOptions,
): CommandLine {
  return roleCommand("@child", args, {
    permissions: ["--allow-ffi", ...permissionFlags(options.grants)],
    preload: moduleOf(options),
  });
}

/**
 * The command line of a zygote.
 *
 * @param args The role's arguments.
 * @param options How its children serve.
 * @returns What to start.
 */
export function zygoteCommand(
  args: readonly string[],
  options: ChildOptions,
): CommandLine {
  const { grants } = options;
  return roleCommand("@zygote", args, {
    permissions: [
      "--allow-ffi",
      ...permissionFlags(grants),
      ...probeFlags(grants),
    ],
    v8Flags: ZYGOTE_V8_FLAGS,
    preload: moduleOf(options),
  });
}

function moduleOf({ service }: ChildOptions): string | undefined {
  return "module" in service ? service.module : undefined;
}
