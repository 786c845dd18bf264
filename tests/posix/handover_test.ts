import assert from "node:assert/strict";
import { abi } from "../../src/posix/abi.ts";
import { check, PosixError } from "../../src/posix/errno.ts";
import type { Fd } from "../../src/posix/fd.ts";
import { read, write } from "../../src/posix/io.ts";
import { cLibrary } from "../../src/posix/libc.ts";
import {
  controlSizes,
  MAX_DATA,
  Message,
  receiveFd,
  receiveUntrusted,
  sendFd,
} from "../../src/posix/net/handover.ts";
import { askCredentials, socketPair } from "../../src/posix/net/sockets.ts";
import { getLimit, setLimit } from "../../src/posix/process.ts";
import { test, until } from "../helpers/testing.ts";
import { hangUp } from "./hang_up.ts";

type Received = Exclude<ReturnType<typeof receiveUntrusted>, "end" | null>;

const libc = cLibrary("fcntl", "send", "sendmsg");

const linuxOnly = { ignore: Deno.build.os !== "linux" };

/** Two ends of a channel, closed at the end of the block. */
function channel(): { a: Fd; b: Fd } & Disposable {
  const [a, b] = socketPair();
  const dispose = () => [a, b].forEach((end) => end.close());
  return { a, b, [Symbol.dispose]: dispose };
}

function bytes(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values);
}

/** Receives a message that must be there. */
function take(channel: Fd): Received {
  const received = receiveFd(channel.number, { wait: false });
  assert.ok(received !== null && received !== "end");
  return received;
}

/** Waits until every copy of the other end is closed. */
async function hasEnded(end: Fd): Promise<void> {
  await until("every copy of a descriptor is closed", () => {
    return receiveFd(end.number, { wait: false }) === "end";
  });
}

/** Sends some descriptors in one message, which sendFd never does. */
function sendMany(channel: Fd, data: Uint8Array, fds: readonly Fd[]): void {
  const { length, space } = controlSizes(abi, 4 * fds.length);
  const message = new Message(16, space);
  message.data.set(data);
  message.prepare(data.length, fds.length > 0 ? space : 0);
  const { SOL_SOCKET: level, SCM_RIGHTS: type } = abi;
  message.writeHead({ length, level, type });
  fds.forEach(({ number }, i) => {
    message.control.setInt32(abi.message.cmsgData + 4 * i, number, true);
  });
  check(libc.sendmsg(channel.number, message.header, 0), "sendmsg");
}

test("sendFd, receiveFd: one message brings its data and one descriptor for the same open file", () => {
  using ends = channel();
  using pair = channel();
  assert.equal(sendFd(ends.a.number, bytes(1, 2, 3), pair.a.number), true);
  const { data, fd } = take(ends.b);
  using received = fd!;
  assert.deepEqual(
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    bytes(1, 2, 3),
  );
  assert.notEqual(received.number, pair.a.number);
  assert.equal(write(received.number, bytes(42)), 1);
  const got = bytes(0);
  assert.equal(read(pair.b.number, got), 1);
  assert.deepEqual(got, bytes(42));
});

test("sendFd: leaves the sender's descriptor open", async () => {
  using ends = channel();
  using pair = channel();
  sendFd(ends.a.number, bytes(1), pair.a.number);
  take(ends.b).fd!.close();
  assert.equal(receiveFd(pair.b.number, { wait: false }), null);
  pair.a.close();
  await hasEnded(pair.b);
});

test("receiveFd: the descriptor is close-on-exec", () => {
  using ends = channel();
  sendFd(ends.a.number, bytes(1), ends.a.number);
  using received = take(ends.b).fd!;
  assert.equal(libc.fcntl(received.number, abi.F_GETFD, 0), abi.FD_CLOEXEC);
});

for (const receive of [receiveFd, receiveUntrusted]) {
  const take = (channel: Fd): Received => {
    const received = receive === receiveFd
      ? receiveFd(channel.number, { wait: false })
      : receiveUntrusted(channel.number);
    assert.ok(received !== null && received !== "end");
    return received;
  };
  const isGarbage = (channel: Fd) => {
    const { data, fd } = take(channel);
    assert.deepEqual([data.byteLength, fd], [0, null]);
  };

  for (const count of [2, 12, 253]) {
    test(
      `${receive.name}: a message with ${count} descriptors is garbage, and none of them stays open`,
      async () => {
        using ends = channel();
        using pair = channel();
        sendMany(ends.a, bytes(1), Array.from({ length: count }, () => pair.a));
        pair.a.close();
        isGarbage(ends.b);
        await hasEnded(pair.b);
        sendFd(ends.a.number, bytes(7), null);
        assert.equal(take(ends.b).data.getUint8(0), 7);
      },
      linuxOnly,
    );
  }

  test(
    `${receive.name}: an empty message with a descriptor is garbage, and no end`,
    async () => {
      using ends = channel();
      using pair = channel();
      sendMany(ends.a, bytes(), [pair.a]);
      pair.a.close();
      isGarbage(ends.b);
      await hasEnded(pair.b);
    },
    linuxOnly,
  );

  test(`${receive.name}: a message that is too long is garbage`, () => {
    using ends = channel();
    check(libc.send(ends.a.number, new Uint8Array(600), 600, 0), "send");
    isGarbage(ends.b);
  }, linuxOnly);
}

test(
  "receiveUntrusted: says who sent it, where that was asked for, and that an empty message is no end",
  () => {
    using ends = channel();
    using pair = channel();
    askCredentials(ends.b.number);
    sendFd(ends.a.number, bytes(1), null);
    sendFd(ends.a.number, bytes(2), pair.a.number);
    sendMany(ends.a, bytes(), []);
    const receive = () => receiveUntrusted(ends.b.number) as Received;
    const { data, fd, pid } = receive();
    assert.deepEqual([data.getUint8(0), fd, pid], [1, null, Deno.pid]);
    const second = receive();
    using received = second.fd!;
    assert.ok(received.number > 2);
    assert.deepEqual([second.data.getUint8(0), second.pid], [2, Deno.pid]);
    assert.equal(receive().data.byteLength, 0);
    ends.a.close();
    assert.equal(receiveUntrusted(ends.b.number), "end");
  },
  linuxOnly,
);

test("receiveUntrusted: who sends garbage is known", () => {
  using ends = channel();
  askCredentials(ends.b.number);
  sendMany(ends.a, bytes(1), [ends.a, ends.a]);
  const received = receiveUntrusted(ends.b.number) as Received;
  assert.deepEqual([received.data.byteLength, received.pid], [0, Deno.pid]);
}, linuxOnly);

test(
  "receiveUntrusted: what comes when descriptors have run out is garbage, and nothing is lost",
  () => {
    using ends = channel();
    const room = Array.from({ length: 3 }, () => channel());
    sendMany(ends.a, bytes(1), [ends.a]);
    const limit = getLimit("files");
    setLimit("files", { soft: 3, hard: limit.hard });
    const received = receiveUntrusted(ends.b.number);
    setLimit("files", limit);
    assert.deepEqual((received as Received).data.byteLength, 0);
    for (const pair of room) pair[Symbol.dispose]();
  },
  linuxOnly,
);

test("receiveFd: data comes without a descriptor, after one with it", () => {
  using ends = channel();
  sendFd(ends.a.number, bytes(1), ends.a.number);
  sendFd(ends.a.number, bytes(2, 3), null);
  take(ends.b).fd!.close();
  const { data, fd } = take(ends.b);
  assert.equal(fd, null);
  assert.deepEqual([data.byteLength, data.getUint8(0)], [2, 2]);
});

test("receiveFd: keeps messages apart and in order", () => {
  using ends = channel();
  for (const n of [1, 2, 3]) {
    sendFd(ends.a.number, new Uint8Array(n).fill(n), null);
  }
  const sizes = [1, 2, 3].map(() => take(ends.b).data.byteLength);
  assert.deepEqual(sizes, [1, 2, 3]);
}, linuxOnly);

test("receiveFd: what is longer than was asked for is garbage", () => {
  using ends = channel();
  sendFd(ends.a.number, new Uint8Array(100), null);
  const received = receiveFd(ends.b.number, { wait: false, size: 40 });
  assert.equal((received as Received).data.byteLength, 0);
}, linuxOnly);

test("receiveUntrusted: what was sent before the other end went away unread is heard", () => {
  using ends = channel();
  sendFd(ends.b.number, bytes(1), null); // it never reads this
  sendFd(ends.a.number, bytes(2), null);
  ends.a.close();
  const received = receiveUntrusted(ends.b.number) as Received;
  assert.equal(received.data.getUint8(0), 2);
  assert.equal(receiveUntrusted(ends.b.number), "end");
});

test("receiveFd: keeps records of one size apart on a stream, as where there are no packets", async () => {
  const SOCK_STREAM = 1;
  const [a, b] = socketPair(SOCK_STREAM);
  using from = a;
  using to = b;
  using pair = channel();
  const records = [1, 2, 3, 4].map((n) => new Uint8Array(160).fill(n));
  for (const record of records) {
    assert.ok(
      sendFd(from.number, record, record[0] === 2 ? pair.a.number : null),
    );
  }
  pair.a.close();
  for (const record of records) {
    const got = receiveFd(to.number, { wait: false, size: 160 });
    assert.ok(got !== null && got !== "end");
    assert.deepEqual(
      new Uint8Array(
        got.data.buffer,
        got.data.byteOffset,
        got.data.byteLength,
      ),
      record,
    );
    assert.equal(got.fd !== null, record[0] === 2, `record ${record[0]}`);
    got.fd?.close();
  }
  await hasEnded(pair.b);
});

test("receiveFd: null when nothing is there", () => {
  using ends = channel();
  assert.equal(receiveFd(ends.b.number, { wait: false }), null);
});

test('receiveFd: "end" when the other end is gone, after what it sent', async () => {
  using ends = channel();
  sendFd(ends.a.number, bytes(9), null);
  await hangUp(ends.a, ends.b);
  assert.equal(take(ends.b).data.getUint8(0), 9);
  for (const wait of [false, true]) {
    assert.equal(receiveFd(ends.b.number, { wait }), "end");
  }
});

test("sendFd: false when the channel is full, true when it has room again", () => {
  using ends = channel();
  const data = new Uint8Array(MAX_DATA);
  let sent = 0;
  while (sendFd(ends.a.number, data, ends.a.number)) sent++;
  assert.ok(sent > 0);
  for (let i = 0; i < sent; i++) take(ends.b).fd!.close();
  assert.equal(receiveFd(ends.b.number, { wait: false }), null);
  assert.equal(sendFd(ends.a.number, data, null), true);
});

test("sendFd: throws EPIPE when the other end is gone", async () => {
  using ends = channel();
  await hangUp(ends.b, ends.a);
  assert.throws(
    () => sendFd(ends.a.number, bytes(1), null),
    (error) =>
      error instanceof PosixError && error.code === "EPIPE" &&
      error.syscall === "sendmsg",
  );
});

test("sendFd: throws EBADF for a descriptor that is not open", () => {
  using ends = channel();
  assert.throws(
    () => sendFd(ends.a.number, bytes(1), 1 << 30),
    (error) => error instanceof PosixError && error.code === "EBADF",
  );
});

test("sendFd: refuses no data and too much", () => {
  using ends = channel();
  for (const size of [0, MAX_DATA + 1]) {
    assert.throws(() => sendFd(ends.a.number, new Uint8Array(size), null), {
      name: "RangeError",
      message: new RegExp(`${size} bytes`),
    });
  }
  assert.equal(receiveFd(ends.b.number, { wait: false }), null);
});
