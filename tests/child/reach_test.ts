/** Grants as rules of the kernel. */
import assert from "node:assert/strict";
import { reachOf } from "../../src/sandbox/reach.ts";
import { test } from "../helpers/testing.ts";

const PLACES: Parameters<typeof reachOf>[1] = {
  project: ["/home/me/handler.ts"],
  runtime: ["/home/me/.cache/deno/gen"],
  directory: "/srv",
  path: ["/opt/bin"],
};

/** Paths that may be used so; `PATH+` where it, or its directory, may be made. */
function paths(grants: readonly string[], access: string): string[] {
  const { files } = reachOf(grants, PLACES);
  return files.filter((file) => file.access.some((name) => name === access))
    .map(({ path, orDirectory }) => orDirectory ? `${path}+` : path);
}

const NOTHING = paths([], "read");
/** The readable paths that a grant adds. */
const added = (...grants: string[]) =>
  paths(grants, "read").filter((path) => !NOTHING.includes(path));

test("reach: without grants, the runtime's and the project's own files, and no port", () => {
  const { connect, bind } = reachOf([], PLACES);
  assert.deepEqual({ connect, bind }, { connect: [], bind: [] });
  for (const path of [...PLACES.project, ...PLACES.runtime]) {
    assert.ok(NOTHING.includes(path), path);
  }
  for (const path of ["/", "/etc", "/proc", "/home/me", "/srv", "/tmp"]) {
    assert.ok(!NOTHING.includes(path), path);
  }
  assert.deepEqual(paths([], "write"), ["/dev/null"]);
  assert.deepEqual(paths([], "execute"), []);
});

test("reach: read and write, whole and in part, from the server's directory on", () => {
  assert.deepEqual(added("read"), ["/"]);
  assert.deepEqual(added("read=/a,b/c", "read=./d"), [
    ...["/a", "/srv/b/c", "/srv/./d"],
  ]);
  assert.deepEqual(paths(["read"], "write"), ["/dev/null"]);
  assert.deepEqual(paths(["write"], "write"), ["/dev/null", "/+"]);
  assert.deepEqual(paths(["write=out"], "write"), ["/dev/null", "/srv/out+"]);
  assert.deepEqual(added("write=out"), []);
});

for (
  const [grants, connect, bind] of [
    [["net"], null, null],
    [["net=db.example:5432"], [5432, 53], [5432]],
    [["net=a:1,b:2", "net=c:53"], [1, 2, 53], [1, 2, 53]],
    [["net=a:1,b"], null, null],
    [["net=[::1]:80"], [80, 53], [80]],
    [["net=[::1]"], null, null],
    [["net=127.0.0.1:0"], [0, 53], [0]],
    [["read", "run", "ffi", "env", "sys", "import"], [], []],
  ] as const
) {
  test(`reach: ${grants.join(" ")} opens ${connect?.join() ?? "every port"}`, () => {
    const reach = reachOf(grants, PLACES);
    assert.deepEqual([reach.connect, reach.bind], [connect, bind]);
  });
}

test("reach: net reads how names are found, run what programs are made of, ffi libraries, sys the machine", () => {
  assert.ok(added("net").includes("/etc/resolv.conf"));
  assert.ok(!added("net").includes("/etc/ssl"), "there are private keys");
  assert.ok(paths(["run=ls,tools/x"], "execute").includes("/srv/tools/x"));
  assert.ok(paths(["run=ls"], "execute").includes("/opt/bin"));
  assert.ok(added("run").includes("/usr"));
  assert.ok(!added("run").includes("/etc"));
  assert.ok(added("ffi").includes("/usr/lib"));
  assert.ok(added("sys").includes("/proc"));
  assert.deepEqual(added("env", "env=HOME", "import"), []);
});
