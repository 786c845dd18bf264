/** Machine code in a handler's process opens no file that was not granted. */
import assert from "node:assert/strict";
import { landlockVersion } from "../../src/posix/landlock_abi.ts";
import { isCompiled } from "../helpers/handler_file.ts";
import { type Model, models } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { intrude, startNative } from "./native.ts";

const AT_FDCWD = -100;
const O_RDONLY = 0;
const O_WRONLY = 1;
const O_CREAT = 0o100;
const NEW = O_WRONLY | O_CREAT;
const O_PATH = 0o10000000;
const ignore = landlockVersion() < 3;

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path) !== null;
  } catch {
    return false;
  }
}

/** Whether files can be opened: what came of each. */
async function open(
  model: Model,
  files: readonly (readonly [path: string, flags?: number])[],
  ...options: string[]
): Promise<(number | string)[]> {
  await using server = await startNative(model, ...options);
  using intruder = await intrude(server);
  const found: (number | string)[] = [];
  for (const [path, flags = O_RDONLY] of files) {
    const result = await intruder.call("openat", AT_FDCWD, path, flags, 0o600);
    found.push(typeof result === "number" && result >= 0 ? "opened" : result);
  }
  return found;
}

// A pool's workers are forked in the sandbox that those of `fork` have.
for (const model of models().filter((name) => name !== "pool")) {
  test(
    `attack (${model}): without --grant read, native code opens no file of anybody's`,
    async () => {
      await using directory = temporaryDirectory();
      const { path } = directory;
      Deno.writeTextFileSync(`${path}/secret`, "x");
      const all: (readonly [path: string, flags?: number])[] = [
        [`${path}/secret`],
        [`${path}/secret`, O_WRONLY],
        [`${path}/new`, NEW],
        [path],
        ["/etc/passwd"],
        ["/etc/shadow"],
        ["/"],
        ["/root"],
        ["/proc"],
        ["/proc/1/status"],
        [`/proc/${Deno.pid}/cmdline`],
        [`/proc/${Deno.pid}/environ`],
        ["/proc/net/tcp"],
        ["/dev/shm/new", NEW],
        ["/tmp/new", NEW],
        ["/var/run"],
      ];
      // A small system lacks some.
      const files = all.filter(([path, flags]) =>
        flags === NEW || isThere(path)
      );
      const found = await open(model, files);
      // To write, the filter of system calls lets no file be opened.
      assert.deepEqual(
        found.map((result, i) => `${files[i]![0]}: ${result}`),
        files.map(([path, flags]) => `${path}: ${flags ? "EPERM" : "EACCES"}`),
      );
    },
    { ignore },
  );

  test(
    `attack (${model}): with grants, native code opens what was granted, and nothing beside it`,
    async () => {
      await using directory = temporaryDirectory();
      const { path } = directory;
      for (const name of ["in", "out", "beside"]) {
        Deno.mkdirSync(`${path}/${name}`);
        Deno.writeTextFileSync(`${path}/${name}/file`, "x");
      }
      const options = ["--grant", `read=${path}/in,write=${path}/out`];
      const found = await open(model, [
        [`${path}/in/file`],
        [`${path}/in/../beside/file`],
        [`${path}/in/file`, O_WRONLY],
        [`${path}/out/file`, O_WRONLY],
        [`${path}/out/new`, NEW],
        [`${path}/out/file`],
        [`${path}/beside/file`],
        [`${path}/beside/file`, O_PATH], // names it, and opens nothing
      ], ...options);
      assert.deepEqual(found, [
        ...["opened", "EACCES", "EACCES", "opened", "opened"],
        ...["EACCES", "EACCES", "opened"],
      ]);
    },
    { ignore: ignore || isCompiled },
  );
}
