/** A handler that was broken into: it writes what its client says to every socket that is not its own. */
import type { Connection } from "../../../src/mod.ts";

export default async function garbage(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(4096);
  const count = await connection.read(buffer) ?? 0;
  const bytes = buffer.slice(0, count);
  if (new TextDecoder().decode(bytes) === "hello") { // a client that means no harm
    await connection.write(bytes);
    await connection.readable.pipeTo(connection.writable);
    return;
  }
  const { symbols } = Deno.dlopen("libc.so.6", {
    send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  });
  const AF_UNIX = 1, MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000;
  for (let fd = 3; fd < 64; fd++) {
    const address = new Uint8Array(128);
    const length = new Uint8Array(new Uint32Array([address.length]).buffer);
    const isUnix = symbols.getpeername(fd, address, length) === 0 &&
      address[0] === AF_UNIX;
    if (!isUnix) continue;
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    symbols.send(fd, bytes, BigInt(bytes.length), flags);
  }
  setInterval(() => {}, 1000);
  await new Promise(() => {}); // it is for the server to end this
}
