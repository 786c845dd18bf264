/**
 * How the runtime of a child is started.
 *
 * @module
 */
import { type ChildOptions, grantsToLoad } from "../wire/child_options.ts";
import { permissionFlags } from "../runtime/permissions.ts";
import { type CommandLine, roleCommand } from "../runtime/roles.ts";
import type { Project } from "../runtime/project.ts";
import {
  EAGER_V8_FLAGS,
  LIMITED_V8_FLAGS,
  ZYGOTE_V8_FLAGS,
} from "../runtime/v8_flags.ts";

/** The command line of a process that serves. */
export function childCommand(
  args: readonly string[],
  options: ChildOptions,
): CommandLine {
  const { service, standing } = options;
  const isLimited = "program" in service &&
    standing?.limits.memory !== undefined;
  return roleCommand("@child", args, {
    permissions: ["--allow-ffi", ...permissionFlags(grantsToLoad(options))],
    v8Flags: isLimited ? LIMITED_V8_FLAGS : [],
    isClosed: "module" in service,
    project: projectOf(options),
  });
}

/** The command line of a zygote. */
export function zygoteCommand(
  args: readonly string[],
  options: ChildOptions,
): CommandLine {
  const isHandler = "module" in options.service;
  return roleCommand("@zygote", args, {
    permissions: ["--allow-ffi", ...permissionFlags(grantsToLoad(options))],
    v8Flags: [...ZYGOTE_V8_FLAGS, ...(isHandler ? [] : EAGER_V8_FLAGS)],
    isClosed: isHandler,
    project: projectOf(options),
  });
}

function projectOf({ service }: ChildOptions): Project | undefined {
  return "module" in service ? service.project : undefined;
}
