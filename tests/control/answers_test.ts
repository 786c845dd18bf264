/** Taking over, as the running server sees it: every step, without a process and without a second server. */
import assert from "node:assert/strict";
import { type Reply, Session } from "../../src/control/session.ts";
import type { Request } from "../../src/control/protocol.ts";
import { ServerAnswers } from "../../src/control/answers.ts";
import { Fd } from "../../src/posix/fd.ts";
import type { Watcher } from "../../src/posix/watcher.ts";
import { playServer } from "../server/played_model.ts";
import { test, until } from "../helpers/testing.ts";

/** A server, what answers for it, and what that has it do. */
async function play() {
  const { server, model, listener, stop, running } = await playServer();
  const said: string[] = [];
  const answers = new ServerAnswers({
    server,
    listener,
    chosen: { model },
    version: "1.2.3",
    drain: (why) => {
      said.push(`drain: ${why}`);
      stop();
    },
    takenOver: () => said.push("taken over"),
    takeOverFailed: () => said.push("failed"),
  });
  const end = async () => {
    stop();
    await running;
  };
  return { answers, listener, said, server, [Symbol.asyncDispose]: end };
}

/** A client of whom nothing comes. */
function client(): Session {
  const watcher = { watch: () => {}, unwatch: () => {} } as unknown as Watcher;
  return new Session({
    fd: new Fd(9_999_999),
    watcher,
    answer: () => assert.fail("it asks nothing"),
    ended: () => {},
  });
}

function read({ pieces }: Reply): Record<string, unknown> {
  return JSON.parse([...{ [Symbol.iterator]: () => pieces }].join(""));
}

const LISTENER: Request = { command: "listener" };
const YIELD: Request = { command: "yield" };

test("take-over: the socket is handed out, the successor takes over, and this server drains", async () => {
  await using stage = await play();
  const { answers, listener, said } = stage;
  const successor = client();
  const reply = answers.answer(LISTENER, successor);
  assert.equal(reply.fd, listener.fd);
  assert.deepEqual(read(reply), {
    ok: true,
    pid: Deno.pid,
    address: listener.address,
    isManaged: false,
  });
  assert.ok(listener.isShared);
  assert.deepEqual(said, []);
  assert.deepEqual(read(answers.answer(YIELD, successor)), {
    ok: true,
    live: 0,
  });
  assert.deepEqual(said, ["drain: take-over", "taken over"]);
  answers.ended(successor);
  assert.ok(listener.isShared, "the socket is the other's");
  assert.equal(said.length, 2);
  successor.close();
});

test("take-over: a successor that goes before it serves leaves all as it was; another may come", async () => {
  await using stage = await play();
  const { answers, listener, said } = stage;
  const [first, second] = [client(), client()];
  answers.answer(LISTENER, first);
  answers.ended(second); // somebody else has gone
  assert.ok(listener.isShared);
  answers.ended(first);
  assert.deepEqual([listener.isShared, said], [false, ["failed"]]);
  answers.answer(LISTENER, second);
  assert.ok(listener.isShared);
  answers.ended(second);
  for (const session of [first, second]) session.close();
});

test("take-over: there is one successor, who has the socket first; a server that drains has none", async () => {
  await using stage = await play();
  const { answers, listener, said, server } = stage;
  const [first, second] = [client(), client()];
  const ask = (request: Request, session: Session) => () =>
    answers.answer(request, session);
  assert.throws(ask(YIELD, first), /the request `listener` must come first/);
  answers.answer(LISTENER, first);
  assert.throws(ask(LISTENER, second), /another server is taking over/);
  assert.throws(ask(YIELD, second), /the request `listener` must come first/);
  assert.deepEqual(said, []);
  assert.deepEqual(read(answers.answer({ command: "drain" }, second)), {
    ok: true,
    live: 0,
  });
  await until("it drains", () => server.isDraining);
  assert.throws(ask(LISTENER, second), /it is draining/);
  answers.ended(first);
  assert.equal(listener.isShared, false);
  assert.deepEqual(said, ["drain: drain"], "nothing failed: it ends anyway");
  for (const session of [first, second]) session.close();
});
