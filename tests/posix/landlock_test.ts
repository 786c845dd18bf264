import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  LANDLOCK,
  landlockVersion,
  missingLocks,
} from "../../src/posix/landlock_abi.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";

test(
  "landlock: every thread is enclosed, those that were there before, too",
  async () => {
    await using directory = temporaryDirectory();
    const file = `${directory.path}/file`;
    for (const path of [file, `${file}.open`]) Deno.writeTextFileSync(path, "");
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const script = new URL("./enclosed.ts", import.meta.url);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "-A", "--no-check", fileURLToPath(script)],
        ...[file, String(listener.addr.port)],
      ],
    }).output();
    const [said, complaint] = [stdout, stderr].map((bytes) =>
      new TextDecoder().decode(bytes)
    );
    assert.equal(complaint, "");
    assert.deepEqual(JSON.parse(said!), [
      ["PermissionDenied"],
      "done",
      "PermissionDenied",
      "done",
      ...["PermissionDenied", "PermissionDenied", "PermissionDenied"],
      "done",
    ]);
  },
  { ignore: landlockVersion() < 6 },
);

test("landlock: says which locks an older kernel has not", () => {
  assert.equal(missingLocks(7), null);
  assert.equal(
    missingLocks(4),
    "this kernel cannot restrict signals and abstract sockets (Linux 6.12)",
  );
  assert.match(missingLocks(0)!, /files \(Linux 5\.13\), .+ports.+signals/);
});

test("landlock: rights of a version come after those of the one before", () => {
  assert.equal(LANDLOCK.ACCESS_FS_IOCTL_DEV, 1 << 15);
  assert.equal(LANDLOCK.RESTRICT_SELF_TSYNC, 1 << 3);
});
