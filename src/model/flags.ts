/**
 * How the runtime of a child is started.
 *
 * @module
 */
import type { ChildOptions } from "../child/options.ts";
import { permissionFlags } from "../permissions.ts";
import { type CommandLine, roleCommand } from "../program.ts";
import {
  EAGER_V8_FLAGS,
  LIMITED_V8_FLAGS,
  ZYGOTE_V8_FLAGS,
} from "./v8_flags.ts";

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
  const { grants, service, standing } = options;
  const isLimited = "program" in service &&
    standing?.limits.memory !== undefined;
  return roleCommand("@child", args, {
    permissions: ["--allow-ffi", ...permissionFlags(grants)],
    v8Flags: isLimited ? LIMITED_V8_FLAGS : [],
    module: moduleOf(options),
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
  const module = moduleOf(options);
  return roleCommand("@zygote", args, {
    permissions: ["--allow-ffi", ...permissionFlags(grants)],
    v8Flags: [...ZYGOTE_V8_FLAGS, ...(module ? [] : EAGER_V8_FLAGS)],
    module,
  });
}

function moduleOf({ service }: ChildOptions): string | undefined {
  return "module" in service ? service.module : undefined;
}
