/** Tells which options its socket has, before and after it has set them. */

const libc = () =>
  Deno.dlopen("libc.so.6", {
    getsockopt: {
      parameters: ["i32", "i32", "i32", "buffer", "buffer"],
      result: "i32",
    },
  }).symbols;
const IPPROTO_TCP = 6, TCP_NODELAY = 1, SOL_SOCKET = 1, SO_KEEPALIVE = 9;

/** No other TCP socket is in this process. */
function options(): number[] {
  const { getsockopt } = libc();
  const value = new Int32Array(1), size = new Uint32Array([4]);
  for (let fd = 3; fd < 1024; fd++) {
    if (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, value, size) < 0) continue;
    const noDelay = value[0]!;
    getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, value, size);
    return [noDelay, value[0]!];
  }
  return [];
}

export default async function tell(conn: Deno.TcpConn): Promise<void> {
  const found = [options()];
  for (const on of [true, false, undefined]) {
    conn.setNoDelay(on);
    conn.setKeepAlive(on);
    found.push(options());
  }
  await conn.write(new TextEncoder().encode(JSON.stringify(found)));
}
