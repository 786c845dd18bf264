/**
 * What `permissions_test.ts` runs in a process of its own, since permissions are given up for good:
 * serves a connection without any, and prints what it found, as JSON.
 *
 * @module
 */
import { revokePermissions } from "../src/runtime/permissions.ts";
import { serveOne } from "../src/child/serve_one.ts";
import type { Outcome } from "../src/wire/records.ts";
import { errno } from "../src/posix/errno.ts";
import { receiveFd, sendFd } from "../src/posix/net/handover.ts";
import { read, write } from "../src/posix/io.ts";
import { cLibrary } from "../src/posix/libc.ts";
import { shutdownWrite, socketPair } from "../src/posix/net/sockets.ts";
import { echo } from "../src/service/echo.ts";

const libc = cLibrary("close");

const NAMES = [
  "ffi",
  "net",
  "read",
  "write",
  "run",
  "env",
  "sys",
  "import",
] as const;

function states(): string[] {
  return NAMES.map((name) => Deno.permissions.querySync({ name }).state);
}

function refused(action: () => unknown): boolean {
  try {
    action();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotCapable;
  }
}

const before = states();
revokePermissions();
const after = states();

const [client, server] = socketPair(1);
const [a, b] = socketPair();
write(client.number, new Uint8Array([1, 2, 3]));
shutdownWrite(client.number);
sendFd(a.number, new Uint8Array(8), server.number);
server.close();
const received = receiveFd(b.number, { wait: true });
if (received === null || received === "end") throw new TypeError("Lost");
let outcome: Outcome | undefined;
await serveOne(
  echo,
  received.fd!,
  { id: 1, peer: new Uint8Array(2) },
  { idleTimeout: 1000, firstByteTimeout: 0 },
  (end) => outcome = end,
);
const echoed = read(client.number, new Uint8Array(8));
libc.close(-1);

const found = {
  before,
  after,
  outcome,
  echoed,
  errno: errno(),
  refused: [
    refused(() => Deno.readTextFileSync("/etc/hostname")),
    refused(() => Deno.listen({ port: 0 })),
    refused(() => new Deno.Command("true").spawn()),
    refused(() => Deno.env.get("HOME")),
    refused(() => Deno.dlopen("libc.so.6", {})),
    refused(() => Deno.UnsafePointer.of(new Uint8Array(1))),
  ],
};
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(found)));
