/**
 * Starts a program with the connection as its standard streams and no other descriptor, a
 * process group of its own, no blocked signal, and the signals that we changed back at their default.
 *
 * @module
 */
import { scratch, viewOf } from "./abi.ts";
import { check } from "./errno.ts";
import { cLibrary } from "./libc.ts";

const libc = cLibrary(
  "posix_spawn_file_actions_addclosefrom_np",
  "posix_spawn_file_actions_adddup2",
  "posix_spawn_file_actions_destroy",
  "posix_spawn_file_actions_init",
  "posix_spawnattr_init",
  "posix_spawnattr_setflags",
  "posix_spawnattr_setpgroup",
  "posix_spawnattr_setsigdefault",
  "posix_spawnattr_setsigmask",
);

// spawn.h of glibc; its two structures have 80 and 336 bytes. XNU's sys/spawn.h has the same flags, and pointers
const SETPGROUP = 0x02;
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const ROOM = { actions: 128, attributes: 512, signals: 128 };

/** Descriptors and attributes for `posix_spawn(3)`, laid out once for as long as they stay the same. */
export class Launch {
  /** `posix_spawn_file_actions_t`. */
  readonly actions: Uint8Array<ArrayBuffer> = scratch(ROOM.actions);
  /** `posix_spawnattr_t`. */
  readonly attributes: Uint8Array<ArrayBuffer> = scratch(ROOM.attributes);
  /** `pid_t`, written by the call. */
  readonly pid: Uint8Array<ArrayBuffer> = scratch(4);
  readonly #streams: readonly number[];
  #connection = -1;

  /** Lays out what is the same for every connection. Throws `PosixError` when the C library refuses. */
  constructor(streams: readonly number[], signals: readonly number[]) {
    this.#streams = streams;
    const mask = scratch(ROOM.signals);
    const defaults = scratch(ROOM.signals);
    const bits = signals.reduce((set, n) => set | 1n << BigInt(n - 1), 0n);
    viewOf(defaults).setBigUint64(0, bits, true);
    const { attributes } = this;
    done(libc.posix_spawnattr_init(attributes));
    done(libc.posix_spawnattr_setsigmask(attributes, mask));
    done(libc.posix_spawnattr_setsigdefault(attributes, defaults));
    done(libc.posix_spawnattr_setpgroup(attributes, 0));
    const flags = SETPGROUP | SETSIGDEF | SETSIGMASK;
    done(libc.posix_spawnattr_setflags(attributes, flags));
  }

  /**
   * Chooses the connection. `fd`: its descriptor, borrowed; most often the same number as the last one's. Throws
   * `PosixError` when the C library refuses.
   */
  setConnection(fd: number): void {
    if (fd === this.#connection) return;
    const { actions } = this;
    if (this.#connection >= 0) libc.posix_spawn_file_actions_destroy(actions);
    this.#connection = fd;
    done(libc.posix_spawn_file_actions_init(actions));
    for (const stream of this.#streams) {
      done(libc.posix_spawn_file_actions_adddup2(actions, fd, stream));
    }
    // Without it, close-on-exec alone keeps the others away, which all descriptors of ours have.
    libc.posix_spawn_file_actions_addclosefrom_np?.(actions, 3);
  }
}

/** These functions return the error instead of setting errno. */
function done(error: number): void {
  check(error === 0 ? 0 : -1, "posix_spawn");
}
