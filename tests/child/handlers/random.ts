/** Draws from every generator while it is loaded, so that numbers are kept ready, and once a connection. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Connection } from "../../../src/mod.ts";

function draw(): string[] {
  return [
    String(Math.random()),
    crypto.getRandomValues(new Uint32Array(2)).join("-"),
    crypto.randomUUID(),
    randomBytes(8).toString("hex"),
    randomUUID(),
  ];
}
for (let i = 0; i < 3; i++) draw();

export default async function random(connection: Connection): Promise<void> {
  const drawn = [...draw(), ...draw(), String(Deno.pid)];
  await connection.write(new TextEncoder().encode(drawn.join(" ")));
}
