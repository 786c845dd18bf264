/**
 * The first process of a built-in service, a zygote or a spawned one, started before the server's code is loaded:
 * it takes as long to start as that takes to load, and the two go on at the same time (0.8 of the time to the
 * first echo where a core is free, and no more where none is).
 *
 * @module
 */
import { earlySpawned, earlyZygote } from "../../model/runtime_process.ts";
import { closeOnExec } from "../../posix/fd.ts";
import {
  asksForAttributes,
  type ServeOptions,
} from "./options/serve_options.ts";
import { resolveSandbox } from "./resolve_sandbox.ts";

const STDERR = 2;

/**
 * Starts the process that the options ask for. Who must be looked at first, such as a handler, a program
 * or another user, does without.
 */
export function startEarly(options: ServeOptions): void {
  const { program, handler, model, service, spares } = options;
  const { idleTimeout, firstByteTimeout } = options;
  if (program !== undefined || handler !== undefined) return;
  if (asksForAttributes(options)) return;
  if (Deno.build.os !== "linux" || (model === "spawn" && spares === 0)) return;
  closeOnExec(STDERR); // what we were started with beside these is no business of our children
  const early = model === "spawn" ? earlySpawned : earlyZygote;
  early.start({
    service: { name: service },
    idleTimeout: idleTimeout ?? 0,
    firstByteTimeout: firstByteTimeout ?? 0,
    grants: [],
    attributes: undefined,
    sandbox: resolveSandbox(options, options).sandbox,
    isPooled: model === "pool" || undefined,
    isMarked: false,
  });
}
