/**
 * The control socket of `mpserv serve`: its path and its log lines.
 *
 * @module
 */
import type { Logger } from "@logtape/logtape";
import manifest from "../../../deno.json" with { type: "json" };
import { Control } from "../../control/control_socket.ts";
import { controlDirectory, controlName } from "../../control/place.ts";
import { ServerAnswers } from "../../control/answers.ts";
import type { ChosenModel } from "../../model/choose.ts";
import type { Listener } from "../../server/listener.ts";
import type { Server } from "../../server/server.ts";
import { UserError } from "../terminal.ts";

/** The server that the control socket controls. */
interface ControlledServer {
  readonly server: Server;
  readonly listener: Listener;
  readonly chosen: ChosenModel;
  /** Begins the drain. */
  readonly drain: () => void;
  /** The log for requests. */
  readonly logger: Logger;
}

/**
 * Opens a server's control socket. `asked`: the path that was typed; undefined for the default place. There, a server
 * that cannot have a control socket goes on without one, and says why. Returns the socket, the caller's to close.
 * Throws `UserError` when it cannot be at the path that was typed.
 */
export async function openControl(
  controlled: ControlledServer,
  asked: string | undefined,
  replace = false,
): Promise<Control> {
  const { server, listener, chosen, logger } = controlled;
  const answers = new ServerAnswers({
    server,
    listener,
    chosen,
    version: manifest.version,
    drain: (why) => {
      logger.info("asked to drain", { why });
      controlled.drain();
    },
    takenOver: () => {
      if (control.path) void move(control, aside(control.path), logger);
    },
    takeOverFailed: () => {
      logger.warn("the new server is gone: this one continues to serve");
      if (control.path) void move(control, control.path, logger);
    },
  });
  const control = new Control({
    watcher: server.watcher,
    answer: (request, session) => answers.answer(request, session),
    ended: (session) => answers.ended(session),
  });
  try {
    const path = asked ??
      `${controlDirectory()}/${await controlName(listener.address)}`;
    await control.open(path, replace);
    logger.debug("control socket is open", { path });
  } catch (error) {
    const { message } = error as Error;
    if (asked !== undefined) throw new UserError(message);
    logger.warn("no control socket: {why}", { why: message });
  }
  return control;
}

/** The path is the next server's: who asks for the one that drains finds it under its process id. */
function aside(path: string): string {
  return path.replace(/(\.sock)?$/, `-${Deno.pid}$1`);
}

async function move(
  control: Control,
  path: string,
  logger: Logger,
): Promise<void> {
  try {
    await control.open(path, true);
  } catch (error) {
    logger.warn("no control socket: {why}", { why: (error as Error).message });
  }
}
