/**
 * Becomes `wc`, and limits its memory at the last moment to less than this process has: run by
 * exec_test.ts. What is added to its environment is more than what is left.
 */
import { ProgramImage } from "../../src/posix/exec.ts";
import { setLimit } from "../../src/posix/process.ts";

const bytes = 1024 * 1024, each = 64 * 1024;
const added = Array.from(
  { length: bytes / each - 1 },
  (_, i) => `V${i}=${"x".repeat(each - 8)}`,
);
const image = new ProgramImage(
  "/bin/sh",
  ["sh", "-c", "ulimit -d; env | wc -l"],
  [],
  {
    bytes,
    variables: added.length,
  },
);
const limit = 8 * 1024 * 1024;
setLimit("memory", { soft: 2 ** 52, hard: 2 ** 52 });
image.become(added, () => setLimit("memory", { soft: limit, hard: limit }));
