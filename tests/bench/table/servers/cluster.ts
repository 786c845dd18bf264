/**
 * An echo server of `node:cluster`: processes that take turns, one a core.
 *
 * @module
 */
import cluster from "node:cluster";
import { createServer } from "node:net";

if (cluster.isPrimary) {
  for (let i = 0; i < navigator.hardwareConcurrency; i++) cluster.fork();
} else {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen({
    port: Number(Deno.args[0]),
    host: "127.0.0.1",
    backlog: 4096,
  });
}
