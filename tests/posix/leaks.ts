/**
 * What `leaks_test.ts` runs alone in a process, since tests that run beside it open descriptors too:
 * does each thing many times and prints how many descriptors more are open afterwards, as JSON.
 *
 * @module
 */
import { abi } from "../../src/posix/abi.ts";
import { openDescriptors } from "../../src/posix/fd.ts";
import { receiveFd, sendFd } from "../../src/posix/net/handover.ts";
import { findListener } from "../../src/posix/net/runtime_sockets.ts";
import { accept, socketPair } from "../../src/posix/net/sockets.ts";
import {
  hasSocketDiagnostics,
  tcpConnections,
} from "../../src/posix/net/socket_diagnostics.ts";
import { Watcher } from "../../src/posix/watcher.ts";

const data = new Uint8Array(8);

const SCENARIOS: Readonly<Record<string, () => void | Promise<void>>> = {
  "a look at the connections of a port": () => {
    if (!hasSocketDiagnostics) return;
    tcpConnections({ transport: "tcp", hostname: "127.0.0.1", port: 1 });
  },
  "a pair that is closed": () => {
    for (const end of socketPair()) end.close();
  },
  "a handover": () => {
    const [a, b] = socketPair();
    sendFd(a.number, data, a.number);
    const received = receiveFd(b.number, { wait: true });
    if (received === null || received === "end") throw new TypeError("Lost");
    for (const end of [a, b, received.fd!]) end.close();
  },
  "a handover that nobody takes": () => {
    const [a, b] = socketPair();
    sendFd(a.number, data, a.number);
    for (const end of [a, b]) end.close();
  },
  "a watcher that is stopped": async () => {
    const [a, b] = socketPair();
    const watcher = new Watcher();
    watcher.watch(b.number, abi.POLLIN, () => watcher.stop());
    const running = watcher.run();
    sendFd(a.number, data, null);
    await running;
    for (const end of [a, b]) end.close();
  },
  "a connection that is accepted": async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const fd = findListener(listener.addr);
    const conn = await Deno.connect({
      hostname: "127.0.0.1",
      port: listener.addr.port,
    });
    for (let taken; (taken = accept(fd)) !== null;) taken.fd.close();
    conn.close();
    listener.close();
  },
};

const grown: Record<string, number> = {};
for (const [name, run] of Object.entries(SCENARIOS)) {
  await run();
  // What the runtime opens once and keeps, such as its caches, may come late; what leaks comes each time.
  for (let tries = 0; tries < 3 && grown[name] !== 0; tries++) {
    const before = openDescriptors().length;
    for (let i = 0; i < 20; i++) await run();
    grown[name] = openDescriptors().length - before;
  }
}
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(grown)));
