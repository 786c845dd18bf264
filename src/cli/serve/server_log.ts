/**
 * What a server tells, in the seed's words.
 *
 * @module
 */
import type { Logger } from "@logtape/logtape";
import { type Reason, UNFINISHED } from "../../child/wire.ts";
import type { ServerReceiver } from "../../server/events.ts";
import { RefusalLog } from "./refusal_log.ts";

/** Hears a server's events, and writes what it held back. */
export interface ServerLog extends ServerReceiver {
  /** Writes what it held back; call it last. */
  flush(): void;
}

/** Ends that a person should look into. */
const TROUBLES: readonly Reason[] = ["error", "killed", "program"];

/**
 * Logs a server's events.
 *
 * @param logger Where to.
 * @param handler The handler that serves, as it was typed; undefined when none does.
 * @returns What to give to the server.
 */
export function logEvents(logger: Logger, handler?: string): ServerLog {
  // Asked once: a server that takes thousands a second must not pay for lines that nobody sees.
  const debug = logger.isEnabledFor("debug");
  const info = logger.isEnabledFor("info");
  let isWarned = false;
  /** Once, since a handler does the same for every client. */
  const warnOfUnfinished = (id: number) => {
    if (isWarned) return;
    isWarned = true;
    logger.warn(
      'handler "{handler}" returned while it was still reading or writing, which ended its connection: return or await it',
      { handler, id },
    );
  };
  const refusals = new RefusalLog((reason, count, { peer, why }) => {
    logger.warn("clients refused", { reason, count, peer, why });
  });
  return {
    accepted({ id, peer, via }) {
      if (debug) logger.debug("accepted", { id, peer, via: via?.proxy });
    },
    connected({ id, peer, via, pid }) {
      if (!info) return;
      const proxy = via?.proxy;
      logger.info("new client connected...", { id, peer, via: proxy, pid });
    },
    disconnected(
      { id, peer, pid },
      { bytesIn, bytesOut, reason, text },
      milliseconds,
    ) {
      const isUnfinished = reason === "closed" && text === UNFINISHED;
      if (isUnfinished) warnOfUnfinished(id);
      if (!info && !TROUBLES.includes(reason)) return;
      const own = reason === "program"; // its code or signal says all
      const says = text !== "" && reason !== "closed";
      const why = own ? text : says ? `${reason}: ${text}` : reason;
      const ms = Math.round(milliseconds);
      const level = TROUBLES.includes(reason) ? "warn" : "info";
      logger[level]("client disconnected...", {
        id,
        peer,
        pid,
        in: bytesIn ?? undefined,
        out: bytesOut ?? undefined,
        ms,
        reason: why,
      });
    },
    removed(pid, { code, signal }) {
      if (!info) return;
      logger.info("removed proc id: {pid}", {
        pid,
        ...(signal !== null
          ? { signal }
          : { code: code < 0 ? "unknown" : code }),
      });
    },
    refused({ id, peer }, why) {
      logger.warn("client refused", { id, peer, why });
    },
    rejected(peer, reason, why) {
      if (debug) logger.debug("rejected", { peer, reason, why });
      refusals.add(reason, { peer, why });
    },
    flush() {
      refusals.flush();
    },
    trouble(what) {
      logger.warn(what.replaceAll("{", "{{").replaceAll("}", "}}"));
    },
    draining(live) {
      logger.info("draining: no more connections are accepted", { live });
    },
    ending(live) {
      logger.warn("drain time-out: ending what is left", { live });
    },
  };
}
