/**
 * Servers whose processes rewind their memory.
 *
 * @module
 */
import type { Status } from "../../src/control/protocol.ts";
import { controlled, controlPath } from "../control/helpers.ts";
import { runCommand } from "../helpers/command.ts";
import type { TestServer } from "../helpers/server.ts";

/** Has each process compare every page with what it was, whenever it has rewound. */
export const CHECKED = { MPSERV_REWIND_CHECK: "1" };
/** Elsewhere the pool is what it is without. */
export const cannotRewind = Deno.build.os !== "linux" ||
  Deno.build.arch !== "x86_64";

/** How a server's processes rewound. */
export async function rewinding(server: TestServer) {
  const path = await controlled(controlPath(server));
  // The last process may be rewinding still: until a command has started, it has done so.
  const { stdout } = await runCommand(["status", path, "--json"]);
  return (JSON.parse(stdout) as Status).rewinding!;
}

/** For a handler with --grant ffi: a function of the C library, and what a file says. */
export const LIBC = `const libc = (name, parameters, result) =>
  Deno.dlopen("libc.so.6", { [name]: { parameters, result } }).symbols[name];
  const maps = () => new TextDecoder().decode(file("/proc/self/maps"));
  const file = (path) => {
    const open = libc("open", ["buffer", "i32"], "i32");
    const read = libc("read", ["i32", "buffer", "usize"], "i64");
    const fd = open(new TextEncoder().encode(path + "\\0"), 0);
    let all = new Uint8Array(0);
    for (const part = new Uint8Array(65536);;) {
      const count = Number(read(fd, part, 65536n));
      if (count <= 0) break;
      const longer = new Uint8Array(all.length + count);
      longer.set(all);
      longer.set(part.subarray(0, count), all.length);
      all = longer;
    }
    libc("close", ["i32"], "i32")(fd);
    return all;
  };`;
