import assert from "node:assert/strict";
import { runHere } from "../helpers/run_here.ts";
import { test } from "../helpers/testing.ts";
import { testUsage, type Wrong } from "../helpers/usage.ts";

const UNIX = ["--unix", "/tmp/mpserv-none.sock"];

/** Command lines that are wrong, and what the person is told. */
const WRONG: Wrong = [
  [
    ["--max-connections", "many"],
    /number of connections "many": expected a whole/,
  ],
  [
    ["--max-per-source", "0"],
    /number of connections "0": expected .* at least 1/,
  ],
  [
    ["--source-prefix", "24"],
    /source prefix "24": expected bits of IPv4 and of/,
  ],
  [["--rate", "fast"], /rate "fast": expected connections, a time/],
  [["--rate-per-source", "0/1s"], /rate "0\/1s"/],
  [["--overload", "panic"], /panic.*wait, refuse/],
  [["--busy-message", "\\q"], /"\\q" in "\\q": expected/],
  [
    ["--allow", "10.0.0.0/33"],
    /network "10\.0\.0\.0\/33": expected an address/,
  ],
  [["--deny", "10.0.0.1/8"], /"10\.0\.0\.1\/8": bits beyond the prefix/],
  [["--exempt", "10.0.0.0/8,"], /network "": expected/],
  [[...UNIX, "--max-per-source", "5"], /--max-per-source with --unix/],
  [[...UNIX, "--rate-per-source", "5/1s"], /--rate-per-source with --unix/],
  [[...UNIX, "--allow", "::/0"], /--allow with --unix: .*have no address/],
];

testUsage(["serve"], WRONG);

test("usage: the help says which limits can wait", async () => {
  const { stdout } = await runHere(["serve", "--help-all"]);
  const text = stdout.replaceAll(/\s+/g, " ");
  assert.match(
    text,
    /clients beyond --max-connections or --rate \(wait, refuse;/,
  );
  assert.match(text, /per source address; more are refused/);
});
