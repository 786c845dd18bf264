/**
 * The plainest server of Deno, all connections in a single process: the price of isolation is measured against
 * it. `listen.ts PORT HANDLER`, where HANDLER is a module of `../handlers/`.
 *
 * @module
 */
const [port, handler] = Deno.args;
const { default: serve } = await import(`../handlers/${handler}`);
for await (
  const connection of Deno.listen({ hostname: "127.0.0.1", port: Number(port) })
) {
  void serveOne(connection);
}

async function serveOne(connection: Deno.Conn): Promise<void> {
  try {
    await serve(connection);
    connection.close();
  } catch {
    // The client reset its connection, or the handler has closed it.
  }
}
