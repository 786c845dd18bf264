/**
 * Attacks on the parent by a connection process that was broken into.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  encodeReport,
  type Report,
  SECRET_SIZE,
  UNTIMED,
} from "../../src/wire/records.ts";
import { handlerFile } from "../helpers/handler_file.ts";
import { notRewound } from "../helpers/models.ts";
import { type Model, startServer, type TestServer } from "../helpers/server.ts";
import { connect, hasEnded, send } from "../helpers/wire_client.ts";

const HANDLER = await handlerFile("handlers/attacker.ts", import.meta.url);

/** A process that was broken into would stay as long as it may. */
export const AT_ONCE = ["--drain-timeout", "100ms"];

/** One message to the parent. */
export interface Message {
  readonly data: Uint8Array;
  readonly descriptors?: number;
  /** The process that it claims to come from. */
  readonly pid?: number;
}

/** The order for the process: see `handlers/attacker.ts`. */
export interface Attack {
  readonly messages: readonly Message[];
  readonly times?: number;
  readonly forks?: boolean;
  readonly shutdown?: boolean;
}

/** A server whose processes do what their clients say. */
export function startVictim(
  model: Model,
  args: readonly string[] = [],
): Promise<TestServer> {
  return startServer({
    model,
    crew: model === "pool" ? "usual" : "few",
    args: [
      ...["--handler", HANDLER, "--grant", "ffi"],
      ...notRewound(model),
      ...AT_ONCE,
      ...args,
    ],
  });
}

/** Has the process that serves a connection attack the parent. */
export async function order(
  conn: Deno.Conn,
  { messages, ...how }: Attack,
): Promise<void> {
  const told = messages.map(({ data, ...rest }) => ({
    data: data.toHex(),
    ...rest,
  }));
  const line = JSON.stringify({ messages: told, ...how }) + "\n";
  await send(conn, new TextEncoder().encode(line));
}

/** Connects, has the process that serves attack the parent, and stays. */
export async function attack(
  port: number,
  how: Attack,
): Promise<Deno.TcpConn> {
  const conn = await connect(port);
  await order(conn, how);
  return conn;
}

/** As {@linkcode attack}; the server must end the process. */
export async function attackAndEnd(port: number, how: Attack): Promise<void> {
  using conn = await attack(port, how);
  assert.ok(await hasEnded(conn));
}

/** A report with all that is right but what only its process knows. */
export function report(
  kind: Report["kind"],
  id: number,
  pid = 0,
): Uint8Array<ArrayBuffer> {
  const outcome = kind === "done" || kind === "failed"
    ? { bytesIn: 1, bytesOut: 1, reason: "closed" as const, text: "a lie" }
    : null;
  const secret = new Uint8Array(SECRET_SIZE);
  return encodeReport({ ...UNTIMED, kind, id, pid, outcome, status: 0, secret })
    .slice();
}
