/**
 * Counts the bytes of connections. The command asks the kernel, so the server has no work.
 *
 * @module
 */
import {
  hasSocketDiagnostics,
  tcpConnections,
} from "../posix/net/socket_diagnostics.ts";
import type { ControlClient } from "./ask.ts";
import type { ConnectionRow } from "./protocol.ts";

/** A connection, and what moves through it: null where the system does not say. */
export interface MovingConnection extends ConnectionRow {
  /** Milliseconds since a byte moved. */
  readonly idle: number | null;
  /** Bytes that came from the client. */
  readonly in: number | null;
  /** Bytes that the client has received. */
  readonly out: number | null;
  /** Whether the client has ended its side. */
  readonly halfClosed: boolean | null;
}

/** Lists a server's connections with their bytes. Throws `ControlError` when it cannot be asked. */
export async function listConnections(
  client: ControlClient,
  listener: Deno.NetAddr | Deno.UnixAddr,
): Promise<MovingConnection[]> {
  const { connections } = await client.ask({ command: "connections" });
  const moving = hasSocketDiagnostics && "port" in listener
    ? tcpConnections(listener)
    : null;
  return connections.map((row) => {
    const found = moving?.get(row.via?.proxy ?? row.peer);
    if (!found) {
      return { ...row, idle: null, in: null, out: null, halfClosed: null };
    }
    const { sinceReceived, sinceSent, bytesIn, bytesOut } = found;
    const idle = Math.min(sinceReceived, sinceSent);
    const own = bytesIn - (row.via?.headerBytes ?? 0);
    const halfClosed = found.peerEnded;
    return { ...row, idle, in: own, out: bytesOut, halfClosed };
  });
}
