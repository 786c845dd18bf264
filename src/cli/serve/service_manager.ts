/**
 * `mpserv serve` under a service manager; loaded only when there is one.
 *
 * @module
 */
import type { Logger } from "@logtape/logtape";
import type { ServerReceiver } from "../../server/events.ts";
import { DatagramSender } from "../../posix/net/dialing.ts";
import { formatAddress } from "../../posix/net/address.ts";
import { Fd } from "../../posix/fd.ts";
import { PosixError } from "../../posix/errno.ts";
import {
  adoptListener,
  kindOf,
  type Listener,
  ListenError,
} from "../../server/listener.ts";
import type { ManagerVariables } from "../../runtime/roles.ts";
import { UserError } from "../terminal.ts";

/**
 * Opens the listening socket that the manager passed. `name`: the name of the socket; undefined when there is but
 * one. Returns the listener, the caller's to close; null when none was passed to this process. Throws
 * `UserError | ListenError` when it cannot be served, or a name fits none.
 */
export function listenForManager(
  variables: ManagerVariables,
  name: string | undefined,
): Listener | null {
  const passed = readPassed(variables, Deno.pid);
  if (passed.length > 0) return openPassed(passed, name);
  if (name === undefined) return null;
  const pid = variables.LISTEN_PID;
  const why = pid === undefined
    ? "no socket was passed"
    : `the sockets were passed to process ${pid}, and this is process ${Deno.pid}`;
  throw new UserError(
    `Cannot serve a socket named "${name}": ${why}: start it from a systemd socket unit, or omit --fd-name`,
  );
}

/**
 * Readies telling the manager how we are. Returns what tells it, the caller's to dispose of. Throws `UserError` when
 * the variables make no sense.
 */
export function openNotifier(
  variables: ManagerVariables,
  logger: Logger,
): Notifier {
  try {
    return new Notifier(
      variables.NOTIFY_SOCKET ?? "",
      watchdogInterval(variables, Deno.pid),
      (what) => logger.warn("{what}", { what }),
    );
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

/*
 * The service manager's two protocols: listening sockets that it opened and passed on (socket activation,
 * sd_listen_fds(3)), and telling it how we are (sd_notify(3), sd_watchdog_enabled(3)).
 */

/** How often the status may change, in milliseconds. */
const STATUS_PAUSE = 1000;
/** `sun_path` holds so much (unix(7)). */
const MAX_NAME = 108;

/** The longest that a timer takes, in milliseconds. */
const MAX_TIMER = 2 ** 31 - 1;

/** The data of the ready message. */
interface Readiness {
  /** Where the server listens. */
  readonly address: Listener["address"];
  /** The process model that serves. */
  readonly model: string;
}

/** Tells one manager. A message that cannot be sent is told once, and nothing else comes of it. */
export class Notifier implements ServerReceiver, Disposable {
  readonly #socket: DatagramSender;
  readonly #trouble: (what: string) => void;
  readonly #watchdog: number;
  #state = "";
  #live = 0;
  #pending: ReturnType<typeof setTimeout> | undefined;
  #beat: ReturnType<typeof setInterval> | undefined;
  #failed = false;

  /**
   * `watchdog`: how often the manager wants a sign of life, in milliseconds; 0 for never. Throws `RangeError` when
   * the address is none of a Unix domain socket.
   */
  constructor(
    address: string,
    watchdog: number,
    trouble: (what: string) => void,
  ) {
    const length = new TextEncoder().encode(address).length;
    if (!/^[/@]./.test(address) || length > MAX_NAME) {
      throw new RangeError(
        `Cannot use NOTIFY_SOCKET="${address}": expected a path, or @ and a name, of at most ${MAX_NAME} bytes`,
      );
    }
    this.#socket = new DatagramSender(address);
    this.#watchdog = watchdog;
    this.#trouble = trouble;
  }

  /** Connections are accepted from here on. */
  ready({ address, model }: Readiness): void {
    this.#state = `Listening on ${formatAddress(address)} (${model})`;
    this.#send("READY=1", this.#status());
    if (this.#watchdog === 0) return;
    // Half of it, as sd_watchdog_enabled(3) recommends. A timer runs only if the event loop does.
    const beat = () => this.#send("WATCHDOG=1");
    beat();
    this.#beat = setInterval(beat, this.#watchdog / 2);
  }

  connected(): void {
    this.#live++;
    this.#later();
  }

  disconnected(): void {
    this.#live--;
    this.#later();
  }

  /** No more connections are accepted. */
  draining(): void {
    this.#state = "Draining";
    this.#send("STOPPING=1", this.#status());
  }

  /** Tells nothing any more. */
  [Symbol.dispose](): void {
    clearTimeout(this.#pending);
    clearInterval(this.#beat);
    this.#socket[Symbol.dispose]();
  }

  /** The status, once for all that changes in a while. */
  #later(): void {
    this.#pending ??= setTimeout(() => {
      this.#pending = undefined;
      this.#send(this.#status());
    }, STATUS_PAUSE);
  }

  #status(): string {
    const things = this.#live === 1 ? "connection" : "connections";
    return `STATUS=${this.#state}, serving ${this.#live} ${things}`;
  }

  #send(...assignments: string[]): void {
    const text = assignments.join("\n").replaceAll("\0", "@");
    try {
      this.#socket.send(new TextEncoder().encode(text + "\n"));
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      if (!this.#failed) {
        this.#trouble(`Cannot notify the service manager: ${error.message}`);
      }
      this.#failed = true;
    }
  }
}

/**
 * How often the manager wants a sign of life. Returns milliseconds; 0 for never. Throws `RangeError` when the
 * variable makes no sense.
 */
export function watchdogInterval(
  { WATCHDOG_PID, WATCHDOG_USEC }: ManagerVariables,
  pid: number,
): number {
  const others = WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid);
  if (WATCHDOG_USEC === undefined || others) return 0;
  const interval = /^\d{1,15}$/.test(WATCHDOG_USEC)
    ? Number(WATCHDOG_USEC) / 1000
    : 0;
  if (interval > 0) return Math.min(interval, MAX_TIMER);
  throw new RangeError(
    `Cannot use WATCHDOG_USEC="${WATCHDOG_USEC}": expected microseconds`,
  );
}

/** The number of the first one, `SD_LISTEN_FDS_START`. */
const FIRST = 3;
/** More than any unit names; the numbers beyond could be anything. */
const MOST = 1024;

/** A descriptor that was passed. */
interface PassedSocket {
  readonly fd: number;
  /** Its name in the unit (`FileDescriptorName=`); `unknown` without a name. */
  readonly name: string;
}

/** Reads which descriptors were passed. Throws `ListenError` when the variables make no sense. */
export function readPassed(
  { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES }: ManagerVariables,
  pid: number,
): PassedSocket[] {
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return [];
  const count = /^\d{1,4}$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : NaN;
  if (!(count <= MOST)) {
    throw new ListenError(
      `Cannot use LISTEN_FDS="${LISTEN_FDS}": expected the number of passed sockets, at most ${MOST}`,
    );
  }
  const names = LISTEN_FDNAMES?.split(":") ?? Array(count).fill("unknown");
  if (count > 0 && names.length !== count) {
    throw new ListenError(
      `Cannot use LISTEN_FDNAMES="${LISTEN_FDNAMES}": it has ${names.length} names for ${count} sockets: expected one for each`,
    );
  }
  return names.slice(0, count).map((name, i) => ({ fd: FIRST + i, name }));
}

/**
 * Chooses the socket to serve and closes the others, of which the manager keeps copies. `name`: the name of the one
 * to serve; undefined when there is but one. Returns the listener, the caller's to close. Throws `ListenError` when
 * it is not clear which, or it cannot be served.
 */
function openPassed(
  passed: readonly PassedSocket[],
  name: string | undefined,
): Listener {
  const chosen = choose(passed, name);
  const listener = adoptListener(new Fd(chosen.fd));
  for (const { fd } of passed) {
    // A descriptor that is not a socket was not passed, whatever the variables say.
    if (fd !== chosen.fd && kindOf(fd) !== "no socket") new Fd(fd).close();
  }
  return listener;
}

function choose(
  passed: readonly PassedSocket[],
  name: string | undefined,
): PassedSocket {
  const names = passed.map(({ name }) => `"${name}"`).join(", ");
  const fitting = passed.filter((socket) =>
    name === undefined || socket.name === name
  );
  if (fitting.length === 1) return fitting[0]!;
  if (fitting.length === 0) {
    throw new ListenError(
      `Cannot serve a socket named "${name}": systemd passed ${names}: use one of these, or set FileDescriptorName=${name} in the socket unit`,
    );
  }
  throw new ListenError(
    name === undefined
      ? `Cannot serve ${fitting.length} sockets at the same time (${names}): choose one with --fd-name`
      : `Cannot choose between ${fitting.length} sockets named "${name}": give each its own FileDescriptorName=`,
  );
}
