/** A handler that takes what its client asks for, and says whether it got it. */
import type { Connection } from "../../../src/mod.ts";

const MIB = 2 ** 20;
const taken: unknown[] = [];

/** `memory MIB`, `heap MIB`, `files N`, `spin`, `identity`. */
export default async function greedy(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(256);
  const count = await connection.read(buffer) ?? 0;
  const [what, number] = new TextDecoder().decode(buffer.subarray(0, count))
    .split(" ");
  let said: string;
  try {
    said = String(take(what ?? "", Number(number)));
  } catch (error) {
    said = (error as Error).message;
  }
  await connection.write(new TextEncoder().encode(said));
}

function take(what: string, amount: number): unknown {
  switch (what) {
    case "memory":
      for (let i = 0; i < amount; i++) {
        taken.push(new Uint8Array(MIB).fill(1)); // touched: it is really had
      }
      return "ok";
    case "heap":
      for (let i = 0; i < amount; i++) {
        taken.push(Array.from({ length: MIB / 8 }, (_, j) => i + j + 0.5));
      }
      return "ok";
    case "files":
      for (let i = 0; i < amount; i++) taken.push(Deno.openSync("/dev/null"));
      return "ok";
    case "spin":
      for (;;);
    case "identity":
      return JSON.stringify([Deno.uid(), Deno.gid(), Deno.cwd()]);
  }
}
