/**
 * Clients of raw bytes.
 *
 * @module
 */
import { abi } from "../../src/posix/abi.ts";
import { encodeAddress } from "../../src/posix/net/address.ts";
import { check } from "../../src/posix/errno.ts";
import { Fd } from "../../src/posix/fd.ts";
import { cLibrary } from "../../src/posix/libc.ts";
import { findConnection } from "../../src/posix/net/runtime_sockets.ts";
import { localAddress } from "../../src/posix/net/sockets.ts";
import { within } from "./testing.ts";

const libc = cLibrary("bind", "connect", "socket");

/**
 * A port of 127.0.0.1 that nobody has, for programs that cannot choose one. It is none of those that the
 * system gives away (ip(7), `ip_local_port_range`): each of them may be another test's a moment later,
 * which has asked for any, or whose client has it.
 */
export function freePort(): number {
  for (;;) {
    const port = PORTS.first +
      Math.floor(Math.random() * (PORTS.end - PORTS.first));
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** A port of 127.0.0.1 where nobody listens, nor can until it is disposed of: connecting is refused. */
export function deafPort(): { port: number } & Disposable {
  const any = { transport: "tcp", hostname: "127.0.0.1", port: 0 } as const;
  const type = abi.SOCK_STREAM | abi.SOCK_CLOEXEC;
  const socket = new Fd(check(libc.socket(abi.AF_INET, type, 0), "socket"));
  const address = encodeAddress(any);
  check(libc.bind(socket.number, address, address.length), "bind");
  const { port } = localAddress(socket.number) as Deno.NetAddr;
  return { port, [Symbol.dispose]: () => socket.close() };
}

/** Those below the system's own, which begin here unless somebody has changed it. */
const PORTS = { first: 10_000, end: 32_768 };

/** Connects to a server of this machine. */
export function connect(port: number, hostname = "127.0.0.1") {
  return Deno.connect({ hostname, port });
}

/** Sends all of it. */
export async function send(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    sent += await conn.write(bytes.subarray(sent));
  }
}

/** Reads exactly so many bytes, or fewer when the other side ends before. */
export async function receive(
  conn: Deno.Conn,
  size: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  let at = 0;
  while (at < size) {
    const count = await within("bytes", conn.read(bytes.subarray(at)));
    if (count === null) break;
    at += count;
  }
  return bytes.subarray(0, at);
}

/** Reads to the end of the stream. */
export async function receiveAll(
  conn: Deno.Conn,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(65536);
  for (;;) {
    const count = await within("the end of the stream", conn.read(buffer));
    if (count === null) return await new Blob(chunks).bytes();
    chunks.push(buffer.slice(0, count));
  }
}

/** Whether the other side is gone without a byte more: end of stream or reset. */
export async function hasEnded(conn: Deno.Conn): Promise<boolean> {
  return await receiveAll(conn).then(
    ({ length }) => length === 0,
    (error) => error instanceof Deno.errors.ConnectionReset,
  );
}

/** Sends all of it, ends its side, and reads to the end, both at once. */
export async function exchange(
  conn: Deno.Conn,
  bytes: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const sending = send(conn, bytes).then(() => conn.closeWrite());
  const [received] = await Promise.all([receiveAll(conn), sending]);
  return received;
}

/** Sends a word and reads it back: some process has the connection. */
export async function roundTrip(
  conn: Deno.Conn,
  word = "hello",
): Promise<string> {
  const bytes = new TextEncoder().encode(word);
  await send(conn, bytes);
  return new TextDecoder().decode(await receive(conn, bytes.length));
}

/** A client that is served: connects, has one round trip, and stays. */
export async function hold(
  port: number,
  hostname = "127.0.0.1",
): Promise<Deno.TcpConn> {
  const conn = await connect(port, hostname);
  try {
    const word = await roundTrip(conn);
    if (word !== "hello") throw new Error(`Echo is "${word}", not "hello"`);
    return conn;
  } catch (error) {
    conn.close();
    throw error;
  }
}

/**
 * Resets a connection, as a client that crashed with unread data does: connect(2) to AF_UNSPEC.
 * Closing alone would end its side first, which the server may see before the reset.
 */
export function reset(conn: Deno.TcpConn): void {
  resetSocket(findConnection(conn.localAddr, conn.remoteAddr));
}

/** As {@linkcode reset}, for a socket of our own. */
export function resetSocket(fd: number): void {
  const nowhere = new Uint8Array(16);
  check(libc.connect(fd, nowhere, nowhere.length), "connect");
}
