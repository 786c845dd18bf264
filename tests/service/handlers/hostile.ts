/** A handler that misbehaves in the way that its client asks for. */
import type { Connection } from "../../../src/mod.ts";

/** Does what the first word says; sends everything else back. */
export default async function hostile(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(1024);
  const count = await connection.read(buffer) ?? 0;
  const word = new TextDecoder().decode(buffer.subarray(0, count)).trim();
  switch (word) {
    case "throw":
      return thrower();
    case "reject":
      return await Promise.reject(new RangeError("rejected on purpose"));
    case "reject later":
      setTimeout(() => Promise.reject(new Error("nobody waits for this")), 0);
      return await new Promise(() => {});
    case "throw a string":
      throw "just words";
    case "throw nothing":
      throw undefined;
    case "exit":
      return Deno.exit(3);
    case "never":
      await connection.write(buffer.subarray(0, count));
      setInterval(() => {}, 1000);
      return await new Promise(() => {});
    case "spin":
      await connection.write(buffer.subarray(0, count));
      for (;;);
    case "flood":
      for (;;) await connection.write(new Uint8Array(1 << 20));
    case "close twice":
      await connection.write(buffer.subarray(0, count));
      connection.close();
      connection.close();
      await connection.closeWrite().catch(() => {});
      return;
    case "use after close":
      connection.close();
      await connection.write(buffer);
      return;
    case "forget":
      void connection.read(buffer); // is waiting when the handler returns
      return;
    case "log":
      // deno-lint-ignore no-console -- a handler may
      console.error("said by the handler");
      return;
    default:
      await connection.write(buffer.subarray(0, count));
      await connection.readable.pipeTo(connection.writable);
  }
}

function thrower(): never {
  throw new TypeError("thrown\non purpose");
}
