/**
 * A process with a channel of its own: it takes a connection, serves it, and waits for the next until
 * the parent closes the channel. In `spawn` that is after the first.
 *
 * @module
 */
import type { Fd } from "../posix/fd.ts";
import { receiveFd } from "../posix/net/handover.ts";
import { own, TypeError, Uint8Array } from "../posix/intrinsics.ts";
import type { LoadedService } from "../service/load.ts";
import { outliveParent } from "../posix/process.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import { endedIfDue, serveOne } from "./serve_one.ts";
import { done, ready, tell, took } from "../wire/tell.ts";
import { sawUncaught } from "./uncaught.ts";
import {
  decodeHandover,
  type Handover,
  HANDOVER_SIZE,
} from "../wire/records.ts";

/**
 * Serves until the parent wants no more.
 *
 * @param channel The process's own channel; it stays open until the process ends.
 */
export async function work(
  channel: Fd,
  service: LoadedService,
  options: ChildOptions,
): Promise<void> {
  tell(channel.number, ready());
  for (;;) {
    const received = receiveFd(channel.number, {
      wait: true,
      size: HANDOVER_SIZE,
    });
    if (received === "end" || received === null) return;
    const handover = keep(decodeHandover(received.data));
    if (received.fd === null) {
      throw new TypeError("Cannot serve: no descriptor came along");
    }
    outliveParent();
    tell(channel.number, took(handover));
    const serving = endedIfDue(
      service,
      serveOne(
        service.serve,
        received.fd,
        handover,
        options,
        (outcome) => tell(channel.number, done(handover, outcome)),
      ),
    );
    if (serving) await own(serving);
    if (sawUncaught()) return; // what else the handler left behind nobody knows
  }
}

/** A handler may still ask a connection for its peer when the next one has been received. */
function keep({ kind, id, peer, secret }: Handover): Handover {
  return {
    kind,
    id,
    peer: new Uint8Array(peer),
    secret: new Uint8Array(secret),
  };
}
