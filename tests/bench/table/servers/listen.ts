/**
 * The plainest echo server of Deno, in a single process: the price of isolation is measured against it.
 *
 * @module
 */
async function echo(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (let count; (count = await connection.read(buffer)) !== null;) {
      for (let sent = 0; sent < count;) {
        sent += await connection.write(buffer.subarray(sent, count));
      }
    }
  } catch {
    // The client reset its connection.
  }
  connection.close();
}

const port = Number(Deno.args[0]);
const listener = Deno.listen({ hostname: "127.0.0.1", port });
for await (const connection of listener) void echo(connection);
