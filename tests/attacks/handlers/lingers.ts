/**
 * Ends, and hangs some steps of the microtask queue later, as many as the client's first byte says: before
 * or after its end has been told. Where the runtime asks at the end of the process, it hangs there, too.
 */
const hang = () =>
  void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);

let hasServed = false;
addEventListener("unload", () => hasServed && hang());

export default async function lingers(conn: Deno.Conn): Promise<void> {
  const first = new Uint8Array(1);
  await conn.read(first);
  hasServed = true;
  let left = first[0]!;
  const step = () => left-- === 0 ? hang() : queueMicrotask(step);
  queueMicrotask(step);
}
