/** Makes the system calls that its client asks for, as machine code in this process would (`--grant ffi`). */
import type { Connection } from "../../../src/mod.ts";

const libc = Deno.dlopen("libc.so.6", {
  syscall: {
    parameters: ["u64", "u64", "u64", "u64", "u64", "u64", "u64"],
    result: "i64",
  },
  __errno_location: { parameters: [], result: "pointer" },
});
const errno = new Deno.UnsafePointerView(libc.symbols.__errno_location()!);
const encoder = new TextEncoder();

/** Each line is a call by its number, `[257, -100, "/etc/passwd", 0]`; its answer is what it returned, or -errno. */
export default async function obey(connection: Connection): Promise<void> {
  const lines = connection.readable.pipeThrough(new TextDecoderStream());
  let rest = "";
  for await (const text of lines) {
    const whole = (rest + text).split("\n");
    rest = whole.pop()!;
    for (const line of whole) {
      await connection.write(encoder.encode(`${make(JSON.parse(line))}\n`));
    }
  }
}

/** A string is passed as one of C, a list as bytes. */
function make([number, ...args]: [number, ...(number | string | number[])[]]) {
  const held: Uint8Array<ArrayBuffer>[] = [];
  const words = args.map((argument) => {
    if (typeof argument === "number") return BigInt(argument);
    const bytes = typeof argument === "string"
      ? encoder.encode(argument + "\0")
      : Uint8Array.from(argument);
    held.push(bytes);
    return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
  });
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = words;
  const result = libc.symbols.syscall(BigInt(number), a, b, c, d, e, f);
  return result === -1n ? -errno.getInt32() : Number(result);
}
