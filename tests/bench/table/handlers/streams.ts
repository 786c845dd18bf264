/**
 * Echo by streams: in our processes, and in a single one beside them.
 *
 * @module
 */
export default function echo(connection: Deno.Conn): Promise<void> {
  return connection.readable.pipeTo(connection.writable);
}
