/**
 * What a server tells, in the seed's words.
 *
 * @module
 */
import type { Logger } from "@logtape/logtape";
import type { ServerEvents } from "../server/server.ts";

/**
 * Logs a server's events.
 *
 * @param logger Where to.
 * @returns What to give to the server.
 */
export function logEvents(logger: Logger): ServerEvents {
  return {
    accepted({ id, peer }) {
      logger.debug("accepted", { id, peer });
    },
    connected({ id, peer, pid }) {
      logger.info("new client connected...", { id, peer, pid });
    },
    disconnected(
      { id, peer, pid },
      { bytesIn, bytesOut, reason, text },
      milliseconds,
    ) {
      const why = text === "" ? reason : `${reason}: ${text}`;
      const ms = Math.round(milliseconds);
      const level = reason === "error" || reason === "killed" ? "warn" : "info";
      logger[level]("client disconnected...", {
        id,
        peer,
        pid,
        in: bytesIn,
        out: bytesOut,
        ms,
        reason: why,
      });
    },
    removed(pid, { code, signal }) {
      logger.info("removed proc id: {pid}", {
        pid,
        ...(signal === null ? { code } : { signal }),
      });
    },
    refused({ id, peer }, why) {
      logger.warn("client refused", { id, peer, why });
    },
    trouble(what) {
      logger.warn(what);
    },
    draining(live) {
      logger.info("draining: no more connections are accepted", { live });
    },
    ending(live) {
      logger.warn("drain time-out: ending what is left", { live });
    },
  };
}
