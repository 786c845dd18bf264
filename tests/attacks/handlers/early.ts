/** Machine code at the top of a module looks at its process, before any connection. */
import type { Connection } from "../../../src/mod.ts";

const libc = Deno.dlopen("libc.so.6", {
  getuid: { parameters: [], result: "u32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  mount: {
    parameters: ["buffer", "buffer", "buffer", "u64", "buffer"],
    result: "i32",
  },
});
const { getuid, open, read, close, mount } = libc.symbols;
const encode = (text: string) => new TextEncoder().encode(text + "\0");

/** The part of a file that machine code can read; null if it cannot open it. */
function contentOf(path: string): string | null {
  const fd = open(encode(path), 0);
  if (fd < 0) return null;
  const buffer = new Uint8Array(8192);
  const count = Number(read(fd, buffer, 8192n));
  close(fd);
  return new TextDecoder().decode(buffer.subarray(0, Math.max(0, count)));
}

const status = contentOf("/proc/self/status") ?? "";
const field = (name: string) =>
  new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1];
const nothing = encode("");
const found = {
  uid: getuid(),
  noNewPrivs: field("NoNewPrivs"),
  seccomp: field("Seccomp"),
  capabilities: field("CapEff"),
  passwords: contentOf("/etc/shadow"),
  mounts: mount(nothing, nothing, nothing, 0n, nothing),
  permissions: ["read", "write", "net", "env", "run", "sys", "import"].filter(
    (name) =>
      Deno.permissions.querySync({ name } as Deno.PermissionDescriptor)
        .state === "granted",
  ),
};

export default async function tell(connection: Connection): Promise<void> {
  await connection.write(new TextEncoder().encode(JSON.stringify(found)));
}
