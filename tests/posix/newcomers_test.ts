import assert from "node:assert/strict";
import { findListener } from "../../src/posix/net/runtime_sockets.ts";
import { refuseNewcomers } from "../../src/posix/seccomp/filter.ts";
import { mayFilterPackets } from "../helpers/packet_filters.ts";
import { test } from "../helpers/testing.ts";
import { connect, receiveAll, send } from "../helpers/wire_client.ts";

test(
  "newcomers: who has connected is served, who comes then is refused, and nobody is reset",
  async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    using before = await connect(port);
    assert.ok(refuseNewcomers(findListener(listener.addr)));
    const after = connect(port).then((conn) => (conn.close(), "connected"))
      .catch((error: Error) => error.name);
    const accepted = await listener.accept();
    const bytes = new TextEncoder().encode("all of it");
    await send(before, bytes);
    await before.closeWrite();
    assert.deepEqual(await receiveAll(accepted), bytes);
    listener.close();
    assert.equal(await after, "ConnectionRefused");
    accepted.close(); // it kept the port, which another test's listener may have got otherwise
  },
  { ignore: Deno.build.os !== "linux" || !mayFilterPackets("newcomers") },
);
