import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { runHere } from "../helpers/run_here.ts";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { testUsage, type Wrong } from "../helpers/usage.ts";

/** Command lines that are wrong, and what the person is told. */
const WRONG: Wrong = [
  [
    [],
    /kind of load: give one of --connect, --ping, --stream, --hold, --compare/,
  ],
  [["--ping", "--stream"], /--ping and --stream together/],
  [["--hold", "0"], /number of connections "0"/],
  [["--ping", "--size", "0"], /size "0"/],
  [["--ping", "--size", "1TB"], /size "1TB"/],
  [["--ping", "--rate", "fast"], /rate "fast"/],
  [["--ping", "--duration", "5"], /duration "5": expected a number and a unit/],
  [["--stream", "--rate", "5"], /--rate with --stream/],
  [["--ping", "--delay", "5ms"], /--delay with --ping.*--compare/],
  [["--hold", "5", "--duration", "5s"], /--duration with --hold/],
  [["localhost", "0", "--ping"], /port "0": expected/],
  [["localhost", "70000", "--ping"], /port "70000"/],
  [["localhost", "--unix", "/no.sock", "--ping"], /both a host and --unix/],
];

testUsage(["bench"], WRONG);

test("bench: a host that does not exist is one line, exit code 1", async () => {
  const { code, stderr } = await runHere(["bench", "no.invalid", "--ping"]);
  assert.match(
    stderr,
    /^error: Cannot bench "no\.invalid": no such host[^\n]*\n$/,
  );
  assert.equal(code, 1);
});

test("bench: prints for people, and shows a bar on a terminal alone", async () => {
  await using server = await startServer();
  const args = ["bench", "127.0.0.1", `${server.port}`, "--ping"];
  const short = ["--duration", "400ms", "--warmup", "0"];
  const piped = await runCommand([...args, ...short]);
  assert.match(piped.stdout, /^ping 127\.0\.0\.1:\d+, 64 bytes, 1 connection/);
  assert.match(piped.stdout, /latency +p50 \d.*p99 \d/);
  assert.deepEqual([piped.code, piped.stderr], [0, ""]);

  // script(1) gives the command a terminal; what it shows comes on standard output.
  const wrapped = ["bash", "-c", `script -qec "\${*@Q}" /dev/null`, "bash"];
  const shown = await runCommand([...args, ...short], { through: wrapped });
  const seen = shown.stdout.replaceAll("\x1b[K", "<erase>");
  const [, ...pictures] = seen.split("\r");
  assert.match(pictures[0]!, /^ping [█░]{30} +\d+ % \d+\/s<erase>$/);
  assert.match(seen, /\r<erase>ping 127/);
});
