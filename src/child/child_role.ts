/**
 * A connection process (role `@child`): it takes connections over its channel, one at a time. It never
 * has the listener, nor a connection that another process serves.
 *
 * @module
 */
import { type Fd, inheritedFd } from "../posix/fd.ts";
import { prepareStopSignal } from "../posix/forking.ts";
import { own } from "../posix/intrinsics.ts";
import {
  followInto,
  leaveProcessGroup,
  setProcessName,
} from "../posix/process.ts";
import {
  enterSandbox,
  followParent,
  letGoOfCaches,
  noteMemory,
} from "../sandbox/enter.ts";
import { type LoadedService, loadService } from "../service/load.ts";
import { receiveOptions } from "../wire/child_options.ts";
import { STEPS } from "../wire/records.ts";
import { cannotServe, step, tell } from "../wire/tell.ts";
import { work } from "./serve_one.ts";
import { giveUp, loadModule } from "./errors.ts";

const { exit } = Deno;

export async function run(args: readonly string[]): Promise<never> {
  const channel = inheritedFd(args[0]);
  enter(channel, args[1]);
  leaveProcessGroup();
  setProcessName("mpserv:conn");
  prepareStopSignal({ isZygote: false });
  const options = receiveOptions(channel);
  followParent(options);
  let service: LoadedService;
  try {
    const ours = "module" in options.service
      ? null
      : await loadService(options.service);
    letGoOfCaches();
    const sandbox = enterSandbox(options, {
      isZygote: false,
      filter: () => Uint8Array.fromBase64(options.filter!),
    });
    const { listener } = sandbox;
    tell(
      channel.number,
      step(ours ? "starting" : STEPS.loading),
      listener?.number,
    );
    listener?.close();
    service = ours ?? await loadModule(options);
    noteMemory(options.attributes); // a strict sandbox lets it ask no more, once it is ready
    sandbox.narrow();
  } catch (error) {
    return cannotServe(channel, error);
  }
  try {
    await own(work(channel, service, options));
  } catch (error) {
    giveUp(error);
  }
  return exit();
}

function enter(channel: Fd, directory: string | undefined): void {
  try {
    followInto(directory);
  } catch (error) {
    cannotServe(channel, error);
  }
}

if (import.meta.main) await run(Deno.args);
