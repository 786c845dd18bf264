import assert from "node:assert/strict";
import { readPassed } from "../../../src/cli/serve/service_manager.ts";
import { runCommand } from "../../helpers/command.ts";
import { startServer } from "../../helpers/server.ts";
import { test } from "../../helpers/testing.ts";
import { missing, python } from "../../helpers/tools.ts";
import { exchange, hold } from "../../helpers/wire_client.ts";

const withPython = { ignore: missing("passing descriptors", "python3") };

/** Passes descriptors to a command as systemd does, which must not fork in between. */
const PASS = `
import os, socket, sys
kinds, names, args = sys.argv[1].split(","), sys.argv[2], sys.argv[3:]
made = []
for kind in kinds:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
    if kind != "closed": s.bind(("127.0.0.1", 0))
    if kind == "listener": s.listen()
    made.append(s)
    kept = os.dup(os.open("/dev/null", os.O_RDONLY) if kind == "file" else s.fileno())
    os.dup2(kept, 60 + len(made))
for i, kind in enumerate(kinds):
    os.dup2(61 + i, 3 + i)
    if kind == "closed": os.close(3 + i)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kinds)))
if names: os.environ["LISTEN_FDNAMES"] = names
os.execvp(args[0], args)
`;

const REFUSED: readonly (readonly [
  kinds: string,
  names: string,
  args: readonly string[],
  told: RegExp,
])[] = [
  [
    "listener,listener",
    "",
    [],
    /Cannot serve 2 sockets at the same time \("unknown", "unknown"\): choose one with --fd-name/,
  ],
  [
    "listener,listener",
    "web:admin",
    [],
    /2 sockets at the same time \("web", "admin"\): choose/,
  ],
  [
    "listener,listener",
    "web:web",
    ["--fd-name", "web"],
    /Cannot choose between 2 sockets named "web"/,
  ],
  [
    "listener",
    "web",
    ["--fd-name", "admin"],
    /Cannot serve a socket named "admin": systemd passed "web": /,
  ],
  [
    "listener",
    "web:admin",
    [],
    /LISTEN_FDNAMES="web:admin": it has 2 names for 1 sockets/,
  ],
  [
    "connection",
    "",
    [],
    /Cannot serve descriptor 3: it is a socket that does not listen: set Accept=no/,
  ],
  [
    "datagram",
    "",
    [],
    /Cannot serve descriptor 3: it is not a stream socket: use ListenStream=/,
  ],
  [
    "file",
    "",
    [],
    /Cannot serve descriptor 3: it is not a socket: use ListenStream=/,
  ],
  [
    "closed",
    "",
    [],
    /Cannot serve descriptor 3: it is not a socket: use ListenStream=/,
  ],
];
for (const [kinds, names, args, told] of REFUSED) {
  test(
    `socket activation: ${kinds} named "${names}" ${
      args.join(" ")
    }: is refused in one line`,
    async () => {
      const { code, stderr } = await runCommand(["serve", ...args], {
        through: [python(), "-c", PASS, kinds, names],
      });
      assert.match(stderr, /^error: [^\n]+\n$/);
      assert.match(stderr, told);
      assert.equal(code, 1);
    },
    withPython,
  );
}

test("socket activation: what is passed to another process is left alone", async () => {
  const foreign = ["env", "LISTEN_PID=1", "LISTEN_FDS=1"];
  await using server = await startServer({ through: foreign });
  using conn = await hold(server.port);
  assert.equal((await exchange(conn, new Uint8Array(5))).length, 5);
  const { code, stderr } = await runCommand(
    ["serve", "--fd-name", "web"],
    { through: foreign },
  );
  assert.match(
    stderr,
    /^error: Cannot serve a socket named "web": the sockets were passed to process 1, and this is process \d+: [^\n]+\n$/,
  );
  assert.equal(code, 1);
});

test("socket activation: --fd-name without a manager is refused", async () => {
  const { code, stderr } = await runCommand(["serve", "--fd-name", "web"]);
  assert.match(
    stderr,
    /^error: Cannot serve a socket named "web": no socket was passed: [^\n]+\n$/,
  );
  assert.equal(code, 1);
});

test("readPassed: reads the variables as sd_listen_fds(3) does", () => {
  const read = (
    LISTEN_FDS: string,
    LISTEN_FDNAMES?: string,
    LISTEN_PID = "7",
  ) =>
    readPassed({
      LISTEN_PID,
      LISTEN_FDS,
      ...(LISTEN_FDNAMES === undefined ? {} : { LISTEN_FDNAMES }),
    }, 7);
  assert.deepEqual(read("2"), [{ fd: 3, name: "unknown" }, {
    fd: 4,
    name: "unknown",
  }]);
  assert.deepEqual(read("2", "web:"), [{ fd: 3, name: "web" }, {
    fd: 4,
    name: "",
  }]);
  assert.deepEqual(read("0"), []);
  assert.deepEqual(read("0", ""), []);
  assert.deepEqual(read("1", undefined, "8"), []);
  assert.deepEqual(readPassed({ LISTEN_FDS: "1" }, 7), []);
  for (const count of ["", "x", "-1", "1.5", "1025", "99999"]) {
    assert.throws(() => read(count), /expected the number of passed sockets/);
  }
});
