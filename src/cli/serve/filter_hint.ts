/**
 * A hint for a person whose program fails because of its sandbox. The program itself can only say which call
 * failed, and often says nothing.
 *
 * @module
 */
import type { Logger } from "@logtape/logtape";
import type { Sandbox } from "../../child/sandbox_level.ts";
import type { ServerReceiver } from "../../server/events.ts";

/** In milliseconds: a daemon that is refused what it needs first ends long before. */
const SOON = 5_000;

/**
 * Says once that system calls are filtered, when a program ends with an error soon after its start.
 *
 * @param logger Where to.
 * @param sandbox What programs are in.
 * @returns What to give to the server.
 */
export function hintAtFilter(
  logger: Logger,
  { hasFilters }: Sandbox,
): ServerReceiver {
  if (!hasFilters) return {};
  let isSaid = false;
  return {
    disconnected({ takenAt }, { reason, text }) {
      if (isSaid || reason !== "program") return;
      if (performance.now() - takenAt > SOON) return;
      isSaid = true;
      logger.warn(
        `A program ended soon after its start (${text}): its system calls are filtered, and it cannot gain privileges: if it fails for that, use --sandbox off`,
      );
    },
  };
}
