/**
 * Servers whose processes rewind their memory.
 *
 * @module
 */
import type { Status } from "../../src/control/protocol.ts";
import { controlled, controlPath, json } from "../control/helpers.ts";
import type { TestServer } from "../helpers/server.ts";
import { until } from "../helpers/testing.ts";

/** Has each process compare every page with what it was, whenever it has rewound. */
export const CHECKED = { MPSERV_REWIND_CHECK: "1" };
/** Elsewhere the pool is what it is without. */
export const cannotRewind = Deno.build.os !== "linux" ||
  Deno.build.arch !== "x86_64";

/** How a server's processes rewound, or were replaced, once they have after so many connections. */
export async function rewinding(server: TestServer, ended = 0) {
  const path = await controlled(controlPath(server));
  let found!: NonNullable<Status["rewinding"]>;
  await until(`${ended} have been rewound or replaced`, async () => {
    found = (await json<Status>(["status", path])).rewinding!;
    const { rewound, replaced } = found;
    const all = Object.values(replaced).reduce((a, b) => a + b, rewound);
    return all >= ended;
  });
  return found;
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
