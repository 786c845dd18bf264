/** Does a bit of everything that an asynchronous service may do, then sends back what came. */
import type { Connection } from "../../../src/mod.ts";

const file = new URL("./mix.ts", import.meta.url);

async function connectToItself(): Promise<number> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  using client = await Deno.connect({
    hostname: "127.0.0.1",
    port: listener.addr.port,
  });
  using server = await accepted;
  await server.write(new Uint8Array([7]));
  const bytes = new Uint8Array(1);
  await client.read(bytes);
  return bytes[0]!;
}

async function fetchFromItself(): Promise<string> {
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
  }, () => new Response("fetched"));
  const response = await fetch(`http://127.0.0.1:${server.addr.port}/`);
  const text = await response.text();
  await server.shutdown();
  return text;
}

function makeGarbage(): number {
  let kept: unknown[] = [];
  for (let i = 0; i < 200_000; i++) {
    kept.push({ i, text: `garbage ${i}` });
    if (kept.length > 1000) kept = [];
  }
  return kept.length;
}

export default async function mix(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(1024);
  const count = await connection.read(buffer) ?? 0;
  await new Promise((resolve) => setTimeout(resolve, 1));
  const text = await Deno.readTextFile(file);
  const what = connection.id % 8;
  const done = [text.includes("export default")];
  if (what === 1) {
    const { code } = await new Deno.Command("/bin/sh", {
      args: ["-c", "exit 3"],
    }).output();
    done.push(code === 3);
  }
  if (what === 3) done.push(await connectToItself() === 7);
  if (what === 5) done.push(await fetchFromItself() === "fetched");
  if (what === 6) done.push(makeGarbage() >= 0);
  if (what === 7) done.push((await import("./later.ts")).answer === 42);
  if (done.includes(false)) throw new Error(`part ${what} did not work`);
  await connection.write(buffer.subarray(0, count));
}
