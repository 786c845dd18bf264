/**
 * A handler that was broken into: its client is the attacker, and says what it is to do to each socket to
 * the parent, which are the only ones of their type. A client that means no harm is echoed.
 */
import type { Connection } from "../../../src/mod.ts";

/** The message, in the form of `native.ts`. */
interface Attack {
  /** Messages, one after another. */
  readonly messages: readonly {
    /** The bytes, in hexadecimal. */
    readonly data: string;
    /** How many descriptors go with it. */
    readonly descriptors?: number;
    /** The claimed process id, which is not its own (`SCM_CREDENTIALS`). */
    readonly pid?: number;
  }[];
  /** How often all of them are sent. */
  readonly times?: number;
  /** Whether each is sent by a process of its own, which this one forks. */
  readonly forks?: boolean;
  /** Whether the sockets are shut down afterwards. */
  readonly shutdown?: boolean;
}

const HELLO = "hello";

export default async function attacker(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(1 << 20);
  const decoder = new TextDecoder();
  let line = "";
  while (!line.endsWith("\n")) {
    const count = await connection.read(buffer);
    if (count === null) return;
    line += decoder.decode(buffer.subarray(0, count), { stream: true });
    if (line === HELLO) {
      await connection.write(buffer.subarray(0, count));
      await connection.readable.pipeTo(connection.writable);
      return;
    }
  }
  attack(JSON.parse(line));
  while (await connection.read(buffer) !== null); // unless the server ends this before
}

function attack(
  { messages, times = 1, forks = false, shutdown = false }: Attack,
): void {
  const { symbols: libc } = Deno.dlopen("libc.so.6", {
    sendmsg: { parameters: ["i32", "buffer", "i32"], result: "isize" },
    getsockopt: {
      parameters: ["i32", "i32", "i32", "buffer", "buffer"],
      result: "i32",
    },
    shutdown: { parameters: ["i32", "i32"], result: "i32" },
    fork: { parameters: [], result: "i32" },
    getuid: { parameters: [], result: "u32" },
    getgid: { parameters: [], result: "u32" },
    _exit: { parameters: ["i32"], result: "void" },
  });
  const MSG_NOSIGNAL = 0x4000, MSG_DONTWAIT = 0x40;
  const ids = [libc.getuid(), libc.getgid()];
  const sockets = parentSockets(libc);
  const sendAll = (send: (socket: number) => void) => sockets.forEach(send);
  for (let i = 0; i < times; i++) {
    for (const { data, descriptors = 0, pid } of messages) {
      if (forks && libc.fork() !== 0) continue;
      const bytes = Uint8Array.fromHex(data);
      sendAll((socket) => {
        const { header, keep } = message(
          bytes,
          Array.from({ length: descriptors }, () => socket),
          pid === undefined ? null : [pid, ...ids],
        );
        const wait = forks ? 0 : MSG_DONTWAIT;
        libc.sendmsg(socket, header, MSG_NOSIGNAL | wait);
        keep.length;
      });
      if (forks) libc._exit(0);
    }
  }
  if (shutdown) sendAll((socket) => libc.shutdown(socket, 2));
}

/** The sockets of type SOCK_SEQPACKET. */
function parentSockets(
  libc: {
    getsockopt(
      fd: number,
      level: number,
      option: number,
      value: Uint8Array<ArrayBuffer>,
      length: Uint8Array<ArrayBuffer>,
    ): number;
  },
): number[] {
  const SOL_SOCKET = 1, SO_TYPE = 3, SOCK_SEQPACKET = 5;
  const found: number[] = [];
  for (let fd = 3; fd < 64; fd++) {
    const value = new Uint8Array(4);
    const length = new Uint8Array(new Uint32Array([4]).buffer);
    const isSocket =
      libc.getsockopt(fd, SOL_SOCKET, SO_TYPE, value, length) === 0;
    if (isSocket && value[0] === SOCK_SEQPACKET) found.push(fd);
  }
  return found;
}

/** `struct msghdr` of Linux, with `SCM_RIGHTS` and `SCM_CREDENTIALS`. */
function message(
  data: Uint8Array<ArrayBuffer>,
  fds: readonly number[],
  credentials: readonly number[] | null,
): { header: Uint8Array<ArrayBuffer>; keep: readonly unknown[] } {
  const controls = [
    ...fds.length > 0 ? [controlMessage(1, fds)] : [],
    ...credentials ? [controlMessage(2, credentials)] : [],
  ];
  const control = new Uint8Array(controls.reduce((n, c) => n + c.length, 0));
  let at = 0;
  for (const one of controls) {
    control.set(one, at);
    at += one.length;
  }
  const iov = new BigUint64Array([addressOf(data), BigInt(data.length)]);
  const iovBytes = new Uint8Array(iov.buffer);
  const header = new BigUint64Array(7);
  header[2] = addressOf(iovBytes);
  header[3] = 1n;
  header[4] = control.length > 0 ? addressOf(control) : 0n;
  header[5] = BigInt(control.length);
  const bytes = new Uint8Array(header.buffer);
  return { header: bytes, keep: [data, iovBytes, control] };
}

function controlMessage(
  type: number,
  numbers: readonly number[],
): Uint8Array<ArrayBuffer> {
  const SOL_SOCKET = 1;
  const length = 16 + 4 * numbers.length;
  const view = new DataView(new ArrayBuffer(Math.ceil(length / 8) * 8));
  view.setUint32(0, length, true);
  view.setInt32(8, SOL_SOCKET, true);
  view.setInt32(12, type, true);
  numbers.forEach((n, i) => view.setInt32(16 + 4 * i, n, true));
  return new Uint8Array(view.buffer);
}

function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  const pointer = Deno.UnsafePointer.of(
    bytes.length > 0 ? bytes : new Uint8Array(1),
  );
  return BigInt(Deno.UnsafePointer.value(pointer));
}
