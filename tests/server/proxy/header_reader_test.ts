import assert from "node:assert/strict";
import { type Fd, setNonblocking } from "../../../src/posix/fd.ts";
import { receiveNow, write } from "../../../src/posix/io.ts";
import {
  decodeAddress,
  formatAddress,
} from "../../../src/posix/net/address.ts";
import { shutdownWrite, socketPair } from "../../../src/posix/net/sockets.ts";
import { Watcher } from "../../../src/posix/watcher.ts";
import { HeaderReader } from "../../../src/server/proxy/proxy_source.ts";
import { DEADLINE, test, until } from "../../helpers/testing.ts";
import { binary, bytesOf } from "./headers.ts";

const LINE = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";
const STREAM = 1; // SOCK_STREAM

type Identifiable = Parameters<HeaderReader["add"]>[0];

/** A reader, its connections, and what it told. */
class Stage implements AsyncDisposable {
  readonly watcher: Watcher = new Watcher();
  readonly complete: Identifiable[] = [];
  readonly failed: string[] = [];
  readonly reader: HeaderReader;
  readonly #clients: Fd[] = [];
  readonly #running: Promise<void>;

  constructor(timeout = DEADLINE) {
    this.reader = new HeaderReader(this.watcher, timeout);
    this.#running = this.watcher.run();
  }

  /** A connection that waits, and the proxy's end of it, with what it has sent before. */
  open(sent: string | Uint8Array = ""): Fd {
    const [client, server] = socketPair(STREAM);
    this.#clients.push(client);
    if (sent.length > 0) write(client.number, bytesOf(sent));
    this.reader.add({ fd: server, sockaddr: new Uint8Array([1, 0]) }, {
      complete: (sockaddr) => this.complete.push({ fd: server, sockaddr }),
      failed: (why) => this.failed.push(why),
    });
    return client;
  }

  /** The client's address and what is still to be read of the only connection. */
  result(): [address: string, rest: string] {
    assert.deepEqual([this.complete.length, this.failed], [1, []]);
    const [{ fd, sockaddr }] = this.complete as [Identifiable];
    const buffer = new Uint8Array(65536);
    const count = Math.max(0, receiveNow(fd.number, buffer));
    const rest = String.fromCharCode(...buffer.subarray(0, count));
    return [formatAddress(decodeAddress(sockaddr)), rest];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reader.close();
    this.watcher.stop();
    await this.#running;
    for (const { fd } of this.complete) fd.close();
    for (const client of this.#clients) client.close();
  }
}

for (
  const [version, header] of [
    [1, bytesOf(LINE)],
    [2, binary(0x21, 0x11, "c0000201c0000202dc0401bb")],
  ] as const
) {
  test(`HeaderReader: version ${version}: a header that is there is told at once, what follows stays`, async () => {
    await using stage = new Stage();
    stage.open(new Uint8Array([...header, ...bytesOf("hello")]));
    assert.deepEqual(stage.result(), ["192.0.2.1:56324", "hello"]);
    assert.equal(stage.reader.waiting, 0);
  });

  test(`HeaderReader: version ${version}: comes byte by byte, what follows stays`, async () => {
    await using stage = new Stage();
    const client = stage.open();
    assert.equal(stage.reader.waiting, 1);
    for (const [i, byte] of header.entries()) {
      assert.equal(stage.complete.length, 0, `${i} bytes`);
      write(client.number, new Uint8Array([byte]));
      // Each byte is taken alone, or the next is not sent.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until("it is whole", () => stage.complete.length > 0);
    write(client.number, bytesOf("hello"));
    assert.deepEqual(stage.result(), ["192.0.2.1:56324", "hello"]);
  });
}

test("HeaderReader: without an address in the header the connection's own holds", async () => {
  await using stage = new Stage();
  stage.open("PROXY UNKNOWN\r\nhello");
  assert.deepEqual(stage.result(), ["unix", "hello"]);
});

test("HeaderReader: a client that ends its side behind the header is served", async () => {
  await using stage = new Stage();
  const client = stage.open(LINE);
  shutdownWrite(client.number);
  assert.deepEqual(stage.result(), ["192.0.2.1:56324", ""]);
});

test("HeaderReader: what is no header is closed, and the connection's end is seen", async () => {
  await using stage = new Stage();
  const client = stage.open("GET / HTTP/1.1\r\n\r\n");
  assert.deepEqual(stage.failed, [
    "it does not begin with a PROXY protocol header",
  ]);
  setNonblocking(client.number, true);
  const buffer = new Uint8Array(8);
  assert.throws(() => receiveNow(client.number, buffer), {
    code: "ECONNRESET",
  });
});

test("HeaderReader: a part that becomes none, or ends, is closed", async () => {
  await using stage = new Stage();
  const wrong = stage.open("PROXY TCP4 ");
  const ends = stage.open("PROXY TCP4 ");
  const silent = stage.open();
  assert.equal(stage.reader.waiting, 3);
  write(wrong.number, bytesOf("\n"));
  await until("it has failed", () => stage.failed.length === 1);
  shutdownWrite(ends.number);
  await until("it has failed", () => stage.failed.length === 2);
  silent.close();
  await until("it has failed", () => stage.failed.length === 3);
  assert.deepEqual(stage.failed, [
    "its line ends with only one of CR and LF",
    "the connection ended before the header was complete",
    "the connection ended before the header was complete",
  ]);
  assert.equal(stage.reader.waiting, 0);
});

test("HeaderReader: a header that does not come in time is given up, the others are not", async () => {
  await using stage = new Stage(300);
  stage.open();
  stage.open("PROXY TCP4 192.0.2.1");
  stage.open(LINE);
  await until("both are given up", () => stage.failed.length === 2);
  assert.deepEqual(stage.failed, [
    "it did not come in time",
    "it did not come in time",
  ]);
  assert.equal(stage.complete.length, 1);
});

test("HeaderReader: a part of a header leaves its socket quiet", async () => {
  await using stage = new Stage();
  let woken = 0;
  const original = stage.watcher.watch.bind(stage.watcher);
  stage.watcher.watch = (fd, events, ready) =>
    original(fd, events, (what) => {
      woken++;
      ready(what);
    });
  const client = stage.open("PROXY TCP4");
  write(client.number, bytesOf(" 192.0.2.1"));
  await until("it has been read", () => woken > 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(woken <= 2, `woken ${woken} times`);
});

test("HeaderReader: close gives up those that wait", async () => {
  await using stage = new Stage();
  stage.open();
  stage.open(LINE);
  stage.reader.close();
  assert.deepEqual(stage.failed, ["the server is ending"]);
  assert.equal(stage.reader.waiting, 0);
});

test("HeaderReader: whose header is slow gives up its place, now or when it has had its time; nobody else does", async () => {
  await using stage = new Stage();
  const slow = "it was slow, and too many headers were pending";
  assert.equal(stage.reader.makeRoom(), false, "nobody waits");
  const first = stage.open();
  stage.open("PROXY");
  assert.equal(stage.reader.makeRoom(), false, "neither is slow yet");
  await until("one is", () => stage.failed.length > 0);
  assert.deepEqual([stage.failed, stage.reader.waiting], [[slow], 1]);
  const hasEnded = () => receiveNow(first.number, new Uint8Array(1)) === 0;
  await until("the client has heard of it", hasEnded);
  await until("the other is, too", () => stage.reader.makeRoom());
  assert.deepEqual([stage.failed, stage.reader.waiting], [[slow, slow], 0]);
  stage.open(); // nobody has asked for its place
  assert.equal(stage.reader.waiting, 1);
});
