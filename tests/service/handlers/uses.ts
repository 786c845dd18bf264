/** Does what it was granted, as ordinary code would, and says what came of it. */
import { networkInterfaces, userInfo } from "node:os";
import type { Connection } from "../../../src/mod.ts";

type Use = (argument: string) => Promise<unknown> | unknown;

const USES: Readonly<Record<string, Use>> = {
  read: (path) => Deno.readTextFileSync(`${path}/in/file`),
  list: (path) => [...Deno.readDirSync(`${path}/in`)].map(({ name }) => name),
  write: async (path) => {
    await Deno.mkdir(`${path}/out/made`);
    await Deno.writeTextFile(`${path}/out/made/a`, "a");
    await Deno.rename(`${path}/out/made/a`, `${path}/out/b`);
    await Deno.remove(`${path}/out/made`);
    return Deno.statSync(`${path}/out/b`).size;
  },
  create: (path) => Deno.writeTextFile(`${path}/later`, "new"),
  run: async () => {
    const { stdout } = await new Deno.Command("sh", {
      args: ["-c", "ls /usr | grep -c '^bin$'; cat /dev/null"],
    }).output();
    return new TextDecoder().decode(stdout).trim();
  },
  kill: async () => {
    const process = new Deno.Command("sleep", { args: ["60"] }).spawn();
    process.kill("SIGKILL");
    return (await process.status).signal;
  },
  connect: async (port) => {
    using conn = await Deno.connect({ hostname: "localhost", port: +port });
    return conn.remoteAddr.transport;
  },
  listen: () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return listener.addr.transport;
  },
  fetch: async (port) =>
    await (await fetch(`http://127.0.0.1:${port}/`)).text(),
  sys: () =>
    [
      Deno.hostname().length > 0,
      Deno.loadavg().length,
      Deno.systemMemoryInfo().total > 0,
      Object.keys(networkInterfaces()).includes("lo"),
      userInfo().username.length > 0,
      Deno.osUptime() > 0,
    ].join(),
  ffi: () => Deno.dlopen("libm.so.6", {}).close(),
  worker: () =>
    new Promise((resolve) => {
      const code = "data:application/javascript,postMessage(1)";
      const worker = new Worker(code, { type: "module" });
      worker.onmessage = ({ data }) => resolve(data);
    }),
};

/** One line, JSON: what to do, each with its argument; the answer is an object. */
export default async function use(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(4096);
  const count = await connection.read(buffer) ?? 0;
  const asked = JSON.parse(new TextDecoder().decode(buffer.subarray(0, count)));
  const said: Record<string, unknown> = {};
  for (const [name, argument] of Object.entries(asked)) {
    try {
      said[name] = await USES[name]!(String(argument)) ?? "done";
    } catch (error) {
      said[name] = String(error);
    }
  }
  await connection.write(new TextEncoder().encode(JSON.stringify(said)));
}
