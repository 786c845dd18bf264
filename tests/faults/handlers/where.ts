/** Says which of the files that the client names, one a line, may be read. */
export default async function where(conn: Deno.Conn): Promise<void> {
  const paths = await readAll(conn);
  const states = paths.trim().split("\n").map((path) =>
    Deno.permissions.querySync({ name: "read", path }).state
  );
  await conn.write(new TextEncoder().encode(states.join(" ")));
}

async function readAll(conn: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  for (let count; (count = await conn.read(buffer)) !== null;) {
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return text;
}
