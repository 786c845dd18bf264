/**
 * Echo as most handlers read and write: by `await`. In our processes, and in a single one beside them.
 *
 * @module
 */
export default async function echo(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (let count; (count = await connection.read(buffer)) !== null;) {
    for (let sent = 0; sent < count;) {
      sent += await connection.write(buffer.subarray(sent, count));
    }
  }
}
