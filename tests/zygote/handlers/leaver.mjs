/**
 * Says what it finds of earlier connections, as JSON, and leaves something behind by every means that JavaScript
 * has without a grant.
 */
const kept = { count: 0, list: [], map: new Map(), weak: new WeakMap() };
const key = {};
const shared = new SharedArrayBuffer(64);
const counter = new Int32Array(shared);
const buffer = new Uint8Array(1 << 16);
const registry = new FinalizationRegistry(() => kept.count++);
const channel = "mpserv-leaver";
let wasm;

/** (module (memory 1) (func (export "next") (result i32) memory[0] += 1; memory[0])) */
const COUNTER = Uint8Array.from([
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 5, 3],
  ...[1, 0, 1, 7, 8, 1, 4, 110, 101, 120, 116, 0, 0, 10, 22, 1, 20, 0, 65, 0],
  ...[65, 0, 40, 2, 0, 65, 1, 106, 54, 2, 0, 65, 0, 40, 2, 0, 11],
]);

function found() {
  const all = {
    "a module's variable": kept.count !== 0,
    "a list": kept.list.length !== 0,
    "a map": kept.map.size !== 0,
    "a weak map": kept.weak.has(key),
    "a buffer": buffer.some((byte) => byte !== 0),
    "shared memory": Atomics.load(counter, 0) !== 0,
    "a global": "leak" in globalThis,
    "a symbol's global": Symbol.for("leak") in globalThis,
    "an error's limit": Error.stackTraceLimit === 77,
    "a prototype": "evil" in {},
    "a method": [].push.name !== "push",
    "a method of promises": Promise.prototype.then.name !== "then",
    "a method of the runtime's": TextEncoder.prototype.encode.name !== "encode",
    "Math.random": Math.random.name === "four",
    "a property of Deno's": "leak" in Deno,
    "a frozen object": Object.isFrozen(Array.prototype),
    "WebAssembly's memory": wasm !== undefined && wasm.exports.next() > 1,
    "a regular expression's last match": RegExp.$1 === "secret",
    "a title": globalThis.process?.title === "evil",
    "a listener":
      dispatchEvent(new Event("leak", { cancelable: true })) === false,
  };
  return Object.keys(all).filter((name) => all[name]);
}

export default async function leave(connection) {
  const before = found();
  const bytes = new Uint8Array(100);
  const count = await connection.read(bytes) ?? 0;
  const secret = new TextDecoder().decode(bytes.subarray(0, count));
  const random = [
    Math.random(),
    crypto.getRandomValues(new Uint32Array(2)).join("."),
    crypto.randomUUID(),
  ];
  const answer = new TextEncoder().encode(
    JSON.stringify({ before, random, pid: Deno.pid }),
  );
  await connection.write(answer);
  // From here on it leaves.
  kept.count++;
  kept.list.push(secret);
  kept.map.set(secret, secret);
  kept.weak.set(key, secret);
  buffer.fill(7);
  Atomics.add(counter, 0, 1);
  globalThis.leak = secret;
  globalThis[Symbol.for("leak")] = secret;
  Error.stackTraceLimit = 77;
  wasm ??= new WebAssembly.Instance(new WebAssembly.Module(COUNTER));
  wasm.exports.next();
  registry.register({}, secret);
  globalThis.reference = new WeakRef({ secret });
  /(secret)/.exec("secret");
  const other = new BroadcastChannel(channel);
  other.onmessage = () => kept.count++;
  new BroadcastChannel(channel).postMessage(secret);
  new MessageChannel().port1.onmessage = () => kept.count++;
  setInterval(() => kept.count++, 1);
  setTimeout(() => kept.list.push(secret), 0);
  queueMicrotask(() => globalThis.leak = secret);
  Promise.resolve().then(() => kept.count++);
  new Promise(() => {}).then(() => kept.count++);
  addEventListener("leak", (event) => event.preventDefault());
  new ReadableStream({ pull: (controller) => controller.enqueue(secret) })
    .getReader().read();
  new TransformStream().writable.getWriter().write(secret);
  performance.mark(secret);
  globalThis.garbage = Array.from(
    { length: 20_000 },
    (_, i) => ({ i, secret: secret + i }),
  );
  Deno.leak = secret;
  Object.prototype.evil = 1;
  Object.freeze(Array.prototype);
  const evil = function evil() {};
  const { then } = Promise.prototype;
  Promise.prototype.then = function poisoned(...args) {
    return then.apply(this, args);
  };
  TextEncoder.prototype.encode = evil;
  Math.random = function four() {
    return 4;
  };
  // Array.prototype is frozen: its methods are left behind by another handler.
}
