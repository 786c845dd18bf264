/** Starts a process that leaves its parent, its group and its session, and tells the client its id. */
const SCRIPT = 'trap "" TERM HUP; echo $$; exec sleep 1000 >&- 2>&-';

export default async function starts(conn: Deno.Conn): Promise<void> {
  const process = new Deno.Command("/bin/sh", {
    args: ["-c", `setsid sh -c '${SCRIPT}' & exit`],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  for await (const text of process.stdout) await conn.write(text);
  await process.status;
  await conn.read(new Uint8Array(1)); // until the client ends
}
