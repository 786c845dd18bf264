import assert from "node:assert/strict";
import {
  type Abi,
  darwin,
  linux,
  variadicPadding,
  viewOf,
} from "../../src/posix/abi.ts";
import { controlSizes, Message } from "../../src/posix/net/handover.ts";
import { test } from "../helpers/testing.ts";

/** The bytes in hexadecimal, without the two addresses, which are checked on their own. */
function headerText({ header }: Message): string {
  const bytes = header.slice();
  for (const pointer of [16, 32]) bytes.fill(0xaa, pointer, pointer + 8);
  return hex(bytes);
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex().replaceAll(/.{8}(?=.)/g, "$& ");
}

/** The pointer at an offset of a header. */
function pointerAt({ header }: Message, offset: number): Deno.PointerObject {
  const value = viewOf(header).getBigUint64(offset, true);
  return Deno.UnsafePointer.create(value)!;
}

function addressOf(bytes: ArrayBufferView<ArrayBuffer>): bigint {
  const { buffer, byteOffset } = bytes;
  const whole = new Uint8Array(buffer);
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(whole))) +
    BigInt(byteOffset);
}

/** The bytes of a control message with one descriptor. */
function controlText(layout: Abi, fd: number): string {
  const { length, space } = controlSizes(layout, 4);
  const message = new Message(1, space, layout);
  const { control } = message;
  const { SOL_SOCKET: level, SCM_RIGHTS: type } = layout;
  message.writeHead({ length, level, type });
  control.setInt32(layout.message.cmsgData, fd, true);
  return hex(new Uint8Array(control.buffer, control.byteOffset, space));
}

test("linux msghdr: has the bytes of bits/socket.h", () => {
  const message = new Message(64, controlSizes(linux, 4).space, linux);
  message.prepare(10, 24);
  assert.equal(
    headerText(message),
    "00000000 00000000 00000000 00000000 " + // msg_name, msg_namelen, padding
      "aaaaaaaa aaaaaaaa 01000000 00000000 " + // msg_iov, msg_iovlen
      "aaaaaaaa aaaaaaaa 18000000 00000000 " + // msg_control, msg_controllen
      "00000000 00000000", // msg_flags, padding
  );
});

test("darwin msghdr: has the bytes of sys/socket.h", () => {
  const message = new Message(64, controlSizes(darwin, 4).space, darwin);
  message.prepare(10, 16);
  assert.equal(
    headerText(message),
    "00000000 00000000 00000000 00000000 " + // msg_name, msg_namelen, padding
      "aaaaaaaa aaaaaaaa 01000000 00000000 " + // msg_iov, msg_iovlen, padding
      "aaaaaaaa aaaaaaaa 10000000 00000000", // msg_control, msg_controllen, msg_flags
  );
});

test("linux cmsghdr: carries a descriptor after 16 bytes, padded to 24", () => {
  assert.equal(
    controlText(linux, 0x1234),
    "14000000 00000000 01000000 01000000 34120000 00000000",
  );
});

test("darwin cmsghdr: carries a descriptor after 12 bytes, padded to 16", () => {
  assert.equal(
    controlText(darwin, 0x1234),
    "10000000 ffff0000 01000000 34120000",
  );
});

test("controlSizes: are CMSG_LEN and CMSG_SPACE of both systems", () => {
  const sizes = [4, 8, 12, 32].map((payload) => [
    controlSizes(linux, payload),
    controlSizes(darwin, payload),
  ]);
  assert.deepEqual(sizes, [
    [{ length: 20, space: 24 }, { length: 16, space: 16 }],
    [{ length: 24, space: 24 }, { length: 20, space: 20 }],
    [{ length: 28, space: 32 }, { length: 24, space: 24 }],
    [{ length: 48, space: 48 }, { length: 44, space: 44 }],
  ]);
});

for (const [name, layout] of Object.entries({ linux, darwin })) {
  test(`${name} message: points at its own data and control`, () => {
    const message = new Message(64, 48, layout);
    message.prepare(10, 48);
    const iov = new Deno.UnsafePointerView(pointerAt(message, 16));
    assert.deepEqual(
      [iov.getBigUint64(0), iov.getBigUint64(8)],
      [addressOf(message.data), 10n],
    );
    const control = Deno.UnsafePointer.value(pointerAt(message, 32));
    assert.equal(BigInt(control), addressOf(message.control));
    assert.equal(message.view.buffer, message.data.buffer);
  });

  test(`${name} message: without control data has no control pointer`, () => {
    const { header } = new Message(64, 0, layout);
    assert.deepEqual([...header.slice(32, 40)], Array(8).fill(0));
  });

  test(`${name} message: prepare forgets what the last receive left`, () => {
    const message = new Message(64, 48, layout);
    const view = viewOf(message.header);
    view.setUint32(layout.message.controlLength, 16, true);
    view.setInt32(layout.message.flags, layout.MSG_CTRUNC, true);
    assert.deepEqual(
      [message.receivedControl, message.receivedFlags],
      [16, layout.MSG_CTRUNC],
    );
    message.prepare(64, 48);
    assert.deepEqual(
      [message.receivedControl, message.receivedFlags],
      [48, 0],
    );
  });

  test(`${name} control head: is read as it was written`, () => {
    const message = new Message(1, 48, layout);
    const head = { length: 44, level: layout.SOL_SOCKET, type: 1 };
    message.writeHead(head);
    assert.deepEqual(message.readHead(), head);
  });

  test(`${name} errno table: gives no number twice`, () => {
    const numbers = Object.values(layout.errno);
    assert.equal(new Set(numbers).size, numbers.length);
  });
}

test("errno tables: have the same names on both systems", () => {
  assert.deepEqual(
    Object.keys(linux.errno).sort(),
    Object.keys(darwin.errno).sort(),
  );
});

test("darwin: has none of what Linux alone has, and the other way round", () => {
  const { SOCK_CLOEXEC, MSG_CMSG_CLOEXEC, SO_PEERCRED, MSG_NOSIGNAL } = darwin;
  assert.deepEqual(
    [SOCK_CLOEXEC, MSG_CMSG_CLOEXEC, SO_PEERCRED, MSG_NOSIGNAL],
    [0, 0, 0, 0],
    "no accept4 with flags, no flags of one call",
  );
  assert.equal(darwin.SO_NOSIGPIPE, 0x1022, "an option of the socket instead");
  assert.equal(linux.SO_NOSIGPIPE, 0);
  const SOCK_STREAM = 1, SOCK_SEQPACKET = 5;
  assert.equal(darwin.CHANNEL_TYPE, SOCK_STREAM);
  assert.equal(linux.CHANNEL_TYPE, SOCK_SEQPACKET);
});

test("variadicPadding: fills the registers on Apple's arm64 alone", () => {
  const padding = (os: string, arch: string) => variadicPadding({ os, arch });
  assert.equal(padding("darwin", "aarch64"), 6);
  assert.equal(padding("darwin", "x86_64"), 0);
  assert.equal(padding("linux", "aarch64"), 0);
});
