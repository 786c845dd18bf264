/** Programs that were written for inetd, as they are, behind clients that know nothing of us. */
import assert from "node:assert/strict";
import { type Model, startServer } from "../helpers/server.ts";
import {
  randomBytes,
  sameBytes,
  temporaryDirectory,
  test,
} from "../helpers/testing.ts";
import { connect, exchange, receiveAll, send } from "../helpers/wire_client.ts";
import { anyProgramModel, programModels } from "./program_models.ts";

/** Where a program of this machine is; undefined when it has none. */
function installed(...paths: readonly string[]): string | undefined {
  return paths.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

const python = installed("/usr/bin/python3", "/usr/local/bin/python3");
const microHttpd = installed("/usr/sbin/micro-httpd");
const busybox = installed("/usr/bin/busybox", "/bin/busybox");
const curl = installed("/usr/bin/curl");
for (
  const [name, found] of Object.entries({ python, microHttpd, busybox, curl })
) {
  const line = `SKIPPED: tests with ${name}: it is not installed\n`;
  if (!found) Deno.stderr.writeSync(new TextEncoder().encode(line));
}

const PYTHON_SERVICE = `
import os, socket, sys
end = socket.socket(fileno=os.dup(0))
assert end.getpeername()[1] == int(os.environ["TCPREMOTEPORT"])
for line in sys.stdin:
    print(line.strip()[::-1], flush=True)
print("bye", end.family == socket.AF_INET)
`;

/** The answer of an HTTP server, by curl if it is installed. */
async function get(port: number, path: string): Promise<string> {
  if (curl) {
    const { stdout } = await new Deno.Command(curl, {
      args: ["-s", "-i", "-m", "30", `http://127.0.0.1:${port}${path}`],
    }).output();
    return new TextDecoder().decode(stdout);
  }
  using conn = await connect(port);
  const request = `GET ${path} HTTP/1.0\r\n\r\n`;
  await send(conn, new TextEncoder().encode(request));
  return new TextDecoder().decode(await receiveAll(conn));
}

/** How many requests, where each costs a whole runtime; MPSERV_TEST_REQUESTS asks for more. */
const REQUESTS: Readonly<Record<Model, number>> = { spawn: 10 };
const asked = Number(Deno.env.get("MPSERV_TEST_REQUESTS") ?? 0);

for (const model of programModels()) {
  const requests = asked || (REQUESTS[model] ?? 200);
  test(
    `inetd (${model}): ${requests} requests through micro-httpd by curl, 8 at once, are all whole`,
    async () => {
      await using directory = temporaryDirectory();
      const { path } = directory;
      for (const part of ["www", "got"]) Deno.mkdirSync(`${path}/${part}`);
      for (let i = 1; i <= requests; i++) {
        Deno.writeFileSync(`${path}/www/${i}.txt`, randomBytes(i * 61));
      }
      await using server = await startServer({
        model,
        args: ["--", microHttpd!, `${path}/www`],
      });
      const { code, stderr } = await new Deno.Command(curl!, {
        args: [
          ...["--no-progress-meter", "--fail", "--max-time", "60"],
          ...["--parallel", "--parallel-max", "8"],
          ...["--output", `${path}/got/#1.txt`],
          `http://127.0.0.1:${server.port}/[1-${requests}].txt`,
        ],
      }).output();
      assert.deepEqual([new TextDecoder().decode(stderr), code], ["", 0]);
      for (let i = 1; i <= requests; i++) {
        const [sent, got] = ["www", "got"].map((part) =>
          Deno.readFileSync(`${path}/${part}/${i}.txt`)
        );
        assert.ok(sameBytes(sent!, got!), `${i}.txt`);
      }
      await server.log.waitForCount("client disconnected...", requests);
      const reasons = server.log.where("client disconnected...")
        .map(({ reason }) => reason);
      assert.deepEqual(new Set(reasons), new Set(["closed"]));
    },
    { ignore: !microHttpd || !curl },
  );
}

for (const model of anyProgramModel()) {
  const serve = (program: readonly string[]) =>
    startServer({ model, args: ["--", ...program] });

  test(
    `inetd (${model}): a Python script talks over standard input and output`,
    async () => {
      await using server = await serve([python!, "-c", PYTHON_SERVICE]);
      using conn = await connect(server.port);
      const bytes = new TextEncoder().encode("hello\nworld\n");
      const said = new TextDecoder().decode(await exchange(conn, bytes));
      assert.equal(said, "olleh\ndlrow\nbye True\n");
    },
    { ignore: !python },
  );

  const webServers = [
    ["micro-httpd", microHttpd, (root: string) => [microHttpd!, root]],
    [
      "busybox httpd -i",
      busybox,
      (root: string) => [busybox!, "httpd", "-i", "-h", root],
    ],
  ] as const;
  for (const [name, found, command] of webServers) {
    test(`inetd (${model}): ${name} serves pages`, async () => {
      await using directory = temporaryDirectory();
      const page = "x".repeat(200_000) + "end\n";
      Deno.chmodSync(directory.path, 0o755); // busybox looks at it as somebody else would
      Deno.writeTextFileSync(`${directory.path}/page.txt`, page);
      await using server = await serve(command(directory.path));
      for (let i = 0; i < 3; i++) {
        const answer = await get(server.port, "/page.txt");
        assert.match(answer, /^HTTP\/1\.\d 200 Ok?/i);
        assert.ok(answer.endsWith(`\r\n\r\n${page}`));
      }
      assert.match(await get(server.port, "/none"), /^HTTP\/1\.\d 404 /);
      await server.log.waitForCount("client disconnected...", 4);
    }, { ignore: !found });
  }
}
