/** Keeps what each client sends wherever the runtime keeps anything, and tells what it finds there. */
import type { Connection } from "../../../src/mod.ts";

type Place = (secret: string) => unknown;
// deno-lint-ignore no-explicit-any
const world = globalThis as any, runtime = Deno as any;

async function useCache(caches: CacheStorage, secret: string) {
  const cache = await caches.open("kept");
  const found = await (await cache.match("http://kept/"))?.text();
  await cache.put("http://kept/", new Response(secret));
  return found;
}

const PLACES: Readonly<Record<string, Place>> = {
  local: (secret) => {
    const found = world.localStorage.getItem("kept");
    world.localStorage.setItem("kept", secret);
    return found;
  },
  session: (secret) => {
    const found = world.sessionStorage.getItem("kept");
    world.sessionStorage.setItem("kept", secret);
    return found;
  },
  caches: (secret) => useCache(world.caches, secret),
  kv: async (secret) => {
    using kv = await runtime.openKv();
    const { value } = await kv.get(["kept"]);
    await kv.set(["kept"], secret);
    return value;
  },
  indexed: () => world.indexedDB.open("kept"),
  worker: (secret) =>
    new Promise((resolve) => {
      const code = `${useCache}
        onmessage = async ({ data }) => {
          try { postMessage([await useCache(caches, data)]); }
          catch (error) { postMessage(String(error)); }
        };`;
      const worker = new Worker(
        `data:application/javascript,${encodeURIComponent(code)}`,
        { type: "module" },
      );
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(secret);
    }),
};

/** A secret that begins with `alone` is given to no worker. Says, as JSON, what came of each place: a list with what was found, or the error. */
export default async function keep(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(100);
  const count = await connection.read(buffer) ?? 0;
  const secret = new TextDecoder().decode(buffer.subarray(0, count));
  const said: Record<string, unknown> = {};
  for (const [name, place] of Object.entries(PLACES)) {
    if (name === "worker" && secret.startsWith("alone")) continue;
    try {
      const found = await place(secret);
      said[name] = typeof found === "string" || Array.isArray(found)
        ? found
        : [found ?? null];
    } catch (error) {
      said[name] = String(error);
    }
  }
  await connection.write(new TextEncoder().encode(JSON.stringify(said)));
}
