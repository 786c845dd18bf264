/**
 * The events of a server, and their distribution to several receivers.
 *
 * A server's running totals.
 *
 * @module
 */
import type { Exit, ProcessEntry } from "../model/model.ts";
import {
  type Outcome,
  type Reason,
  REASONS,
  type When,
} from "../wire/records.ts";

/** The proxy at the other end of a connection, which spoke for a client. */
export interface Via {
  /** Its address as text, by which the kernel identifies the connection. */
  readonly proxy: string;
  /** How many bytes of the connection were its own, and not the client's. */
  readonly headerBytes: number;
}

/** The public data of a connection. */
export interface ConnectionInfo {
  /** Counts the connections that this server admitted from 1; 0 for one that waits. */
  readonly id: number;
  readonly peer: string;
  /** The proxy that the client came by; undefined where it came by none. */
  readonly via: Via | undefined;
  /** When it was admitted, on the clock of `performance.now()`; 0 until then. */
  readonly acceptedAt: number;
  /** The process that serves it; 0 until one took it. */
  readonly pid: number;
  /** When that process took it, on the same clock; 0 until then. */
  readonly takenAt: number;
}

/** Every reason with its meaning. */
export const REFUSAL_REASONS = [
  /** As many connections are served as may be at a time. */
  "max-connections",
  /** As many connections of this source are served as may be at a time. */
  "max-per-source",
  /** Connections came faster than they may. */
  "rate",
  /** Connections of this source came faster than they may. */
  "rate-per-source",
  /** The source may not connect. */
  "denied",
  /** The connection did not begin with a PROXY protocol header that is in order. */
  "proxy-protocol",
  /** It was admitted, but no process could be had for it. */
  "no-process",
] as const;

/** Why a connection was refused. */
export type RefusalReason = typeof REFUSAL_REASONS[number];

/**
 * The events of a server. Each method is called at its event and must not throw. For one connection
 * it is either `rejected` alone, or `accepted`, then `refused`, or `accepted`, `connected` and
 * `disconnected`. `when` is when the process that serves says that it happened; it is left out where none does.
 */
export interface ServerEvents {
  /** A connection came off the backlog and was admitted; no process has it yet. */
  accepted(live: ConnectionInfo): void;
  /**
   * A connection came off the backlog and was turned away: it was closed before any process was spent.
   * Where there is more to say about the reason, `why` says it.
   */
  rejected(peer: string, reason: RefusalReason, why?: string): void;
  /** It is on its way to a process, or to a zygote that forks for it; `at` as `performance.now()`. */
  handed(live: ConnectionInfo, pid: number, at: number): void;
  /** It waits again: whatever had been handed it ended before it took it. */
  returned(live: ConnectionInfo): void;
  /** A process has the connection, and the parent has closed its copy. */
  connected(live: ConnectionInfo, when?: When): void;
  /** The connection has ended; `milliseconds` since it was accepted. */
  disconnected(
    live: ConnectionInfo,
    outcome: Outcome,
    milliseconds: number,
    when?: When,
  ): void;
  /** A process has started: a connection process waits for work, a zygote can fork. */
  started(pid: number, role: ProcessEntry["role"]): void;
  /** A connection process was reaped. */
  removed(pid: number, exit: Exit, when?: When): void;
  /** A process's memory was rewound after its connection; or else, by `why`, it is replaced. */
  rewound(why: string | null): void;
  zygoteEnded(pid: number, exit: Exit): void;
  /** A connection that was admitted was closed without service: no process could be had for it. */
  refused(live: ConnectionInfo, why: string): void;
  /** The system had no room for a connection, or another trouble; the server goes on. */
  trouble(what: string): void;
  /** Connections are served in another way from here on. */
  changed(what: string): void;
  /** No more connections are accepted; `live` of them are still served. */
  draining(live: number): void;
  /** The time of the remaining connections is over. */
  ending(live: number): void;
}

/** Receives some of a server's events. */
export type ServerReceiver = Partial<ServerEvents>;

const NAMES = [
  "accepted",
  "rejected",
  "handed",
  "returned",
  "connected",
  "disconnected",
  "started",
  "removed",
  "rewound",
  "zygoteEnded",
  "refused",
  "trouble",
  "changed",
  "draining",
  "ending",
] as const satisfies readonly (keyof ServerEvents)[];

/** Several receivers, called in their order. An event without a receiver costs an empty call and no object. */
export class Audience {
  /** Tells all of them. */
  readonly events: ServerEvents;
  readonly #receivers: ServerReceiver[];
  readonly #hearing = NAMES.map((): Hears[] => []);

  constructor(receivers: readonly ServerReceiver[]) {
    this.#receivers = [...receivers];
    this.#seat();
    const tell = (name: typeof NAMES[number]): Hears => {
      const hearing = this.#hearing, at = NAMES.indexOf(name);
      return (a, b, c, d) => {
        const hear = hearing[at]!;
        for (let i = 0; i < hear.length; i++) hear[i]!(a, b, c, d);
      };
    };
    this.events = {
      accepted: tell("accepted"),
      rejected: tell("rejected"),
      handed: tell("handed"),
      returned: tell("returned"),
      connected: tell("connected"),
      disconnected: tell("disconnected"),
      started: tell("started"),
      removed: tell("removed"),
      rewound: tell("rewound"),
      zygoteEnded: tell("zygoteEnded"),
      refused: tell("refused"),
      trouble: tell("trouble"),
      changed: tell("changed"),
      draining: tell("draining"),
      ending: tell("ending"),
    };
  }

  /** One more hears what happens from now on. The result takes it out again. */
  join(receiver: ServerReceiver): () => void {
    this.#receivers.push(receiver);
    this.#seat();
    return () => {
      const at = this.#receivers.indexOf(receiver);
      if (at >= 0) this.#receivers.splice(at, 1);
      this.#seat();
    };
  }

  /** The lists are new: one of them may be on its way through its receivers. */
  #seat(): void {
    NAMES.forEach((name, at) => {
      this.#hearing[at] = this.#receivers.flatMap((receiver) =>
        receiver[name] ? [receiver[name].bind(receiver) as Hears] : []
      );
    });
  }
}

/** Any of the methods: none has more parameters than that. */
type Hears = (a?: unknown, b?: unknown, c?: unknown, d?: unknown) => void;

/**
 * Totals since the server was started. They add up exactly, at any moment: `accepted` is `active`, all
 * of `ended` and all of `refused` together.
 */
export interface TotalsSnapshot {
  /** Connections that came off the backlog. */
  readonly accepted: number;
  /** Those of them that a process took. */
  readonly served: number;
  /** Those that have neither ended nor been refused. */
  readonly active: number;
  /** Those that were served and have ended, by why. */
  readonly ended: Readonly<Record<Reason, number>>;
  /** Those that were closed without service, by why. */
  readonly refused: Readonly<Record<RefusalReason, number>>;
}

/** Counts the events of a server. */
export class Totals implements ServerReceiver {
  #accepted = 0;
  #served = 0;
  #active = 0;
  readonly #ended = zeros(REASONS);
  readonly #refused = zeros(REFUSAL_REASONS);

  accepted(): void {
    this.#accepted++;
    this.#active++;
  }

  rejected(_peer: string, reason: RefusalReason): void {
    this.#accepted++;
    this.#refused[reason]++;
  }

  connected(): void {
    this.#served++;
  }

  disconnected(_live: ConnectionInfo, { reason }: Outcome): void {
    this.#active--;
    this.#ended[reason]++;
  }

  refused(): void {
    this.#active--;
    this.#refused["no-process"]++;
  }

  snapshot(): TotalsSnapshot {
    return {
      accepted: this.#accepted,
      served: this.#served,
      active: this.#active,
      ended: { ...this.#ended },
      refused: { ...this.#refused },
    };
  }
}

function zeros<Name extends string>(
  names: readonly Name[],
): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<
    Name,
    number
  >;
}
