/**
 * Sends back what comes, in a way that the first byte says, and leaves behind what it can; says "left" where it finds
 * what an earlier connection left.
 */
import { createHash, randomBytes } from "node:crypto";

/** (module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)) */
const ADDER = new Uint8Array([
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1],
  ...[0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11],
]);
let connections = 0;

async function echo(connection) {
  const buffer = new Uint8Array(4096);
  for (let count; (count = await connection.read(buffer)) !== null;) {
    await connection.write(buffer.subarray(0, count));
  }
}

const ways = [
  echo,
  ({ readable, writable }) => readable.pipeTo(writable),
  async (connection) => {
    setTimeout(() => {
      throw new Error("late");
    }, 1000);
    setInterval(() => {}, 1);
    await new Promise((resolve) => setTimeout(resolve, 2));
    await echo(connection);
  },
  async (connection) => {
    new BroadcastChannel("left").onmessage = () => {};
    globalThis.kept = new Map([[1, connection]]);
    await echo(connection);
    void connection.read(new Uint8Array(1)).catch(() => {});
  },
  async (connection) => {
    const { instance } = await WebAssembly.instantiate(ADDER);
    if (instance.exports.add(2, 3) === 5) await echo(connection);
  },
  async (connection) => {
    createHash("sha256").update(randomBytes(64)).digest("hex");
    await echo(connection);
  },
  async (connection) => {
    const garbage = Array.from({ length: 200 }, () => new Array(2000).fill(1));
    globalThis.kept = garbage.slice(0, 50);
    await echo(connection);
  },
  (connection) => {
    const buffer = new Uint8Array(65536);
    for (let count; (count = connection.readSync(buffer)) !== null;) {
      connection.writeSync(buffer.subarray(0, count));
    }
  },
];

export default async function mix(connection) {
  const isFirst = connections++ === 0 && globalThis.kept === undefined;
  const way = new Uint8Array(1);
  if (await connection.read(way) === null) return;
  await connection.write(isFirst ? way : new TextEncoder().encode("left"));
  await ways[way[0] % ways.length](connection);
}
