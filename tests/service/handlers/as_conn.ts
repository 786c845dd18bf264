/** Does with its connection what code for a `Deno.TcpConn` does, right and wrong, and tells what came of it. */

const bytes = () => new Uint8Array([65, 66, 67, 68, 69, 70]);

/** All kinds of things that are given in the place of bytes. */
const KINDS: Readonly<Record<string, () => unknown>> = {
  "Uint8Array": bytes,
  "a part": () => bytes().subarray(1, 3),
  "Buffer-like subclass": () => new class extends Uint8Array {}(bytes()),
  "shared": () => new Uint8Array(new SharedArrayBuffer(3)).fill(71),
  "resizable": () =>
    new Uint8Array(new ArrayBuffer(4, { maxByteLength: 8 })).fill(72),
  "shrunk": () => {
    const buffer = new ArrayBuffer(4, { maxByteLength: 8 });
    const view = new Uint8Array(buffer, 2, 2);
    buffer.resize(1);
    return view;
  },
  "empty": () => new Uint8Array(0),
  "detached": () => {
    const view = bytes();
    structuredClone(view.buffer, { transfer: [view.buffer] });
    return view;
  },
  "ArrayBuffer": () => bytes().buffer,
  "SharedArrayBuffer": () => new SharedArrayBuffer(3),
  "Uint16Array": () => new Uint16Array([65, 66]),
  "Int8Array": () => new Int8Array([65]),
  "Uint8ClampedArray": () => new Uint8ClampedArray([65]),
  "Float64Array": () => new Float64Array([65]),
  "DataView": () => new DataView(bytes().buffer),
  "string": () => "text",
  "number": () => 5,
  "null": () => null,
  "undefined": () => undefined,
  "array": () => [65, 66],
  "array-like": () => ({ length: 1, 0: 65 }),
  "Blob": () => new Blob(["text"]),
  "proxy": () => new Proxy(bytes(), {}),
  "pretender": () =>
    Object.create(Uint8Array.prototype, { length: { value: 1 } }),
};

/** The result of an action: its value, or the class of its error. */
async function told(act: () => unknown): Promise<unknown> {
  try {
    return await act() ?? "nothing";
  } catch (error) {
    return (error as Error).constructor.name;
  }
}

/** Its client says what is to be done, sends more than is read here, and reads to the end. */
export default async function asConn(conn: Deno.TcpConn): Promise<void> {
  const word = new Uint8Array(1);
  await conn.read(word);
  const done = word[0] === 99 ? await useClosed(conn) : await useAll(conn);
  if (word[0] === 99) throw new Error(done);
  await conn.write(new TextEncoder().encode(done));
}

async function useAll(conn: Deno.TcpConn): Promise<string> {
  const found: Record<string, unknown> = {};
  for (const [kind, make] of Object.entries(KINDS)) {
    // deno-lint-ignore no-explicit-any -- that is what is tried
    const any = make as () => any;
    found[`read ${kind}`] = await told(() => conn.read(any()));
    found[`write ${kind}`] = await told(() => conn.write(any()));
  }
  for (const name of ["ref", "unref", "setNoDelay", "setKeepAlive"] as const) {
    found[name] = await told(() => conn[name]());
    found[`${name} false`] = await told(() => conn[name](false as never));
  }
  found.ref = await told(() => conn.ref());
  found.rid = "rid" in conn;
  found.addresses = [conn.remoteAddr.transport, conn.localAddr.hostname];
  return JSON.stringify(found);
}

/** The results of using a closed connection, during a read and later. */
async function useClosed(conn: Deno.TcpConn): Promise<string> {
  const waits = told(() => conn.read(new Uint8Array(1)));
  await new Promise((resolve) => setTimeout(resolve, 20)); // it waits on another thread by now
  {
    using it = conn;
    void it;
  }
  const found = [await waits];
  for (
    const act of [
      () => conn.read(new Uint8Array(1)),
      () => conn.read(new Uint8Array(0)),
      () => conn.write(new Uint8Array(1)),
      () => conn.write(new Uint8Array(0)),
      () => conn.write("text" as never),
      () => conn.closeWrite(),
      () => conn.setNoDelay(),
      () => conn.unref(),
      () => conn.localAddr.hostname,
      () => conn.remoteAddr.hostname,
    ]
  ) found.push(await told(act));
  return found.join(" ");
}
