import assert from "node:assert/strict";
import { setInherit } from "../../../src/posix/fd.ts";
import { findListener } from "../../../src/posix/net/runtime_sockets.ts";
import { commandEnvironment, commandLine } from "../../helpers/command.ts";
import { countSockets, serverSockets } from "../../helpers/processes.ts";
import { controlled, controlPath } from "../../control/helpers.ts";
import { MODELS } from "../../helpers/models.ts";
import { anyModel, startServer, TestServer } from "../../helpers/server.ts";
import {
  settles,
  temporaryDirectory,
  test,
  until,
} from "../../helpers/testing.ts";
import {
  connect,
  freePort,
  hold,
  receiveAll,
  roundTrip,
} from "../../helpers/wire_client.ts";
import { missing, python } from "../../helpers/tools.ts";

const withSystemd = {
  ignore: missing("socket activation", "systemd-socket-activate"),
};

/** A server that `systemd-socket-activate` starts with the first connection. */
async function activate(
  sockets: readonly string[],
  { model = "spawn", first, args = [] }: {
    model?: string;
    first: () => Promise<Deno.Conn>;
    args?: readonly string[];
  },
): Promise<{ server: TestServer; conn: Deno.Conn }> {
  const kept = Object.entries({
    ...Deno.env.toObject(),
    ...commandEnvironment(),
  })
    .flatMap(([name, value]) => ["-E", `${name}=${value}`]);
  const process = new Deno.Command("systemd-socket-activate", {
    args: [
      ...kept,
      ...sockets,
      ...commandLine([
        "serve",
        ...MODELS[model]!.few.args,
        "--log-format",
        "json",
        ...args,
      ]),
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    detached: true,
  }).spawn();
  const server = new TestServer(process, model);
  let conn: Deno.Conn | undefined;
  await until(
    "it listens",
    () => first().then((made) => (conn = made, true), () => false),
  );
  return { server, conn: conn! };
}

// Which processes have the listener, processes_test.ts asks of each model.
for (const model of anyModel()) {
  test(
    `socket activation (${model}): serves the first connection, which started it, and others`,
    async () => {
      const port = freePort();
      const { server, conn } = await activate(["-l", `127.0.0.1:${port}`], {
        model,
        first: () => connect(port),
      });
      await using _server = server;
      using _conn = conn;
      assert.equal(await roundTrip(conn), "hello");
      const { address } = await server.log.waitFor(/^listening on /);
      assert.equal(address, `127.0.0.1:${port}`);
      using other = await connect(port);
      assert.equal(await roundTrip(other, "other"), "other");
      const { listening } = serverSockets(port);
      assert.equal(countSockets(server.pid, listening), 1);
      await settles(() => { // one that is just being started has all that the parent has
        for (const { pid } of server.children()) {
          assert.equal(countSockets(pid, listening), 0, `process ${pid}`);
        }
      });
    },
    withSystemd,
  );
}

test(
  "socket activation: a Unix domain socket, whose file stays at the end",
  async () => {
    await using directory = temporaryDirectory();
    const path = `${directory.path}/echo.sock`;
    const { server, conn } = await activate(["-l", path], {
      first: () => Deno.connect({ transport: "unix", path }),
    });
    {
      await using _server = server;
      using _conn = conn;
      assert.equal(await roundTrip(conn), "hello");
      assert.equal((await server.log.waitFor(/^listening on /)).address, path);
    }
    assert.ok(Deno.lstatSync(path).isSocket);
  },
  withSystemd,
);

test("socket activation: one of several is chosen by its name", async () => {
  const ports = [freePort(), freePort()];
  const sockets = ports.flatMap((port) => ["-l", `127.0.0.1:${port}`]);
  const { server, conn } = await activate(
    [...sockets, "--fdname=web:admin"],
    { first: () => connect(ports[1]!), args: ["--fd-name", "admin"] },
  );
  await using _server = server;
  using _conn = conn;
  assert.equal(await roundTrip(conn), "hello");
  const { address } = await server.log.waitFor(/^listening on /);
  assert.equal(address, `127.0.0.1:${ports[1]}`);
}, withSystemd);

const withPython = { ignore: missing("passing sockets", "python3") };

/** Passes a descriptor that it has inherited. */
const PASS_ONE = `
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp(sys.argv[2], sys.argv[2:])
`;

test(
  "take-over: of a passed socket, which goes on when both servers have ended",
  async () => {
    // As a manager does, this process keeps the socket.
    using kept = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = kept.addr;
    const fd = findListener(kept.addr);
    setInherit(fd, true);
    const starting = startServer({
      through: [python(), "-c", PASS_ONE, String(fd)],
    });
    setInherit(fd, false);
    {
      await using first = await starting;
      assert.equal(first.port, port);
      await controlled(controlPath(first));
      await using next = await startServer({
        port: String(port),
        args: ["--take-over"],
      });
      await first.exit();
      using conn = await hold(port);
      conn.close();
      await next.stop();
    }
    using waits = await connect(port);
    using accepted = await kept.accept();
    assert.equal(accepted.remoteAddr.port, waits.localAddr.port);
  },
  withPython,
);

test(
  "socket activation: the manager's variables reach no program",
  async () => {
    const port = freePort();
    const { server, conn } = await activate(["-l", `127.0.0.1:${port}`], {
      first: () => connect(port),
      args: ["--", "env"],
    });
    await using _server = server;
    using _conn = conn;
    const env = new TextDecoder().decode(await receiveAll(conn));
    assert.match(env, /^PROTO=TCP$/m);
    assert.doesNotMatch(env, /LISTEN_|NOTIFY_|WATCHDOG_/);
  },
  withSystemd,
);
