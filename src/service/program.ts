/**
 * Any program as a service, as inetd runs it: the connection is its standard input and output.
 *
 * What a program learns of its connection: variables of its environment, by the names of UCSPI
 * (tcp-environ(5), unix-environ(5)) and of systemd.socket(5).
 *
 * @module
 */
import { markAs } from "../posix/descent.ts";
import { PosixError } from "../posix/errno.ts";
import { ProgramImage } from "../posix/exec.ts";
import { closeOnExec, type Fd, putOver } from "../posix/fd.ts";
import { resetSignals, unblockSignals } from "../posix/forking.ts";
import { Launch } from "../posix/launch.ts";
import { type Address, decodeAddress } from "../posix/net/address.ts";
import { localAddress, peerOf, shutdownBoth } from "../posix/net/sockets.ts";
import { leaveProcessGroup, lowerSoftLimit } from "../posix/process.ts";
import type { ProgramChoice } from "../wire/choices.ts";

/** Names that mean a connection, and must not reach a program from the server's own environment. */
const NAMES =
  /^(PROTO|(TCP|UNIX|IPC)(LOCAL|REMOTE|CONN)\w*|REMOTE_(ADDR|PORT))$/;

/** How much room the variables of any connection need: the longest path of a socket is 108 bytes. */
const ROOM = { bytes: 1024, variables: 10 } as const;

/** The data of a connection that its program gets. */
interface ConnectionFacts {
  /** Counts the connections of the server from 1. */
  readonly id: number;
  /** The server's end. */
  readonly local: Address;
  /** The client's end. */
  readonly remote: Address;
  /** The client's process; null if the system does not tell it, as over TCP. */
  readonly peer: ReturnType<typeof peerOf>;
}

/** The environment that programs share: the server's own. */
function inheritedVariables(
  env: Readonly<Record<string, string>>,
): string[] {
  return Object.entries(env)
    .filter(([name]) => !NAMES.test(name))
    .map(([name, value]) => `${name}=${value}`);
}

function connectionVariables(
  { id, local, remote, peer }: ConnectionFacts,
): string[] {
  if ("path" in remote) {
    const named = remote.path !== "";
    return [
      "PROTO=UNIX",
      ...("path" in local ? [`UNIXLOCALPATH=${local.path}`] : []),
      `UNIXCONNNUM=${id}`,
      ...(peer === null ? [] : [
        `UNIXREMOTEPID=${peer.pid}`,
        `UNIXREMOTEEUID=${peer.uid}`,
        `UNIXREMOTEEGID=${peer.gid}`,
      ]),
      ...(named
        ? [`UNIXREMOTEPATH=${remote.path}`, `REMOTE_ADDR=${remote.path}`]
        : []),
    ];
  }
  return [
    "PROTO=TCP",
    // A proxy may speak for a client of TCP over a Unix domain socket.
    ...("path" in local
      ? []
      : [`TCPLOCALIP=${local.hostname}`, `TCPLOCALPORT=${local.port}`]),
    `TCPREMOTEIP=${remote.hostname}`,
    `TCPREMOTEPORT=${remote.port}`,
    `TCPCONNNUM=${id}`,
    `REMOTE_ADDR=${remote.hostname}`,
    `REMOTE_PORT=${remote.port}`,
  ];
}

/** SIGUSR2, SIGPIPE, SIGCHLD: the runtime or we ignore or block them, and `execve(2)` keeps that. */
const CHANGED_SIGNALS = [12, 13, 17];

/**
 * The soft limit of descriptors that a program starts with: what select(2) can do, and what systems give
 * for that. The server's own is no guide: the runtime raises it to the hard limit before our first line.
 */
const SOFT_FILES = 1024;

/** The standard streams that the connection becomes. */
const STREAMS = { server: [0, 1], client: [0, 1, 2] } as const;

/** The data of a connection for its program. */
interface Served {
  /** Counts the connections of the server from 1. */
  readonly id: number;
  /** The client's `struct sockaddr`. */
  readonly peer: Uint8Array<ArrayBuffer>;
}

/** A program that is ready to be become. */
export class Program {
  readonly #choice: ProgramChoice;
  readonly #image: ProgramImage;
  readonly #launch: Launch;

  /** Readies it; call it while FFI permission still stands. */
  constructor(choice: ProgramChoice) {
    this.#choice = choice;
    lowerSoftLimit("files", SOFT_FILES); // of this process, and so of its children and the program that it becomes
    const env = inheritedVariables(choice.env);
    this.#image = new ProgramImage(choice.path, choice.args, env, ROOM);
    this.#launch = new Launch(STREAMS[choice.stderr], CHANGED_SIGNALS);
  }

  /**
   * Starts the program in a process of its own, which is cheaper than to become it after a fork. `fd`: the
   * connection, blocking, borrowed. `handover`: the connection's id and the client's `struct sockaddr`. Returns the
   * program's pid; null when the system refuses.
   */
  start(fd: Fd, handover: Served): number | null {
    this.#launch.setConnection(fd.number);
    markAs(handover.id); // this process, of which the program gets the mark
    return this.#image.start(variablesOf(fd, handover), this.#launch);
  }

  /**
   * Replaces this process by the program, with nothing open but the connection and standard error. All other
   * descriptors stay open until then, so that a failure can still be told. `handover`: the connection's id and the
   * client's `struct sockaddr`. Throws `TypeError` when the system refuses; the message says why.
   */
  become(
    fd: Fd,
    handover: Served,
    then: { first: () => void; last: (() => void) | undefined },
  ): never {
    const { path, stderr } = this.#choice;
    try {
      then.first();
      const variables = variablesOf(fd, handover);
      leaveProcessGroup(); // `kill 0` in a script must not reach other processes
      for (const over of STREAMS[stderr]) putOver(fd.number, over);
      closeOnExec(2);
      resetSignals(CHANGED_SIGNALS);
      unblockSignals();
      this.#image.become(variables, then.last);
    } catch (error) {
      shutdownBoth(fd.number); // its copies, that stay open until this process ends, are ended with it
      fd.close();
      throw new TypeError(explain(path, error as Error));
    }
  }
}

function variablesOf(fd: Fd, { id, peer }: Served): string[] {
  const local = localAddress(fd.number, peer);
  return connectionVariables({
    id,
    local,
    remote: decodeAddress(peer),
    peer: "path" in local ? peerOf(fd.number) : null,
  });
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: "it or its interpreter is missing",
  ENOEXEC: "a script must begin with a line such as #!/bin/sh",
  E2BIG: "its arguments and environment are too long",
  EACCES: "let the server's user run it, or give --user",
};

function explain(path: string, error: Error): string {
  const hint = error instanceof PosixError ? HINTS[error.code] : undefined;
  return `Cannot run "${path}": ${error.message}${hint ? `: ${hint}` : ""}`;
}
