import assert from "node:assert/strict";
import { describeError } from "../../src/child/errors.ts";
import { test } from "../helpers/testing.ts";

/** An error whose stack is made up. */
function errorAt(message: string, ...places: readonly string[]): Error {
  const error = new RangeError(message);
  error.stack = [error.message, ...places.map((place) => `  at f (${place})`)]
    .join("\n");
  return error;
}

const OURS = new URL("../../src/child/connection.ts", import.meta.url).href;

test("describeError: is kind, message and place on one line", () => {
  const error = errorAt("two\n  lines", "file:///srv/handler.ts:7:9");
  assert.equal(
    describeError(error),
    "RangeError: two lines at /srv/handler.ts:7:9",
  );
});

test("describeError: names the place in the handler, not the one in our own modules", () => {
  const error = errorAt("x", `${OURS}:1:2`, "file:///srv/handler.ts:7:9");
  assert.match(describeError(error), / at \/srv\/handler\.ts:7:9$/);
  assert.match(
    describeError(errorAt("x", `${OURS}:1:2`)),
    /connection\.ts:1:2/,
  );
});

test("describeError: a path may have spaces, parentheses and letters that are not ASCII, and is told as a person writes it", () => {
  const ours = OURS.replace("/src/", "/%73r%63/"); // as the runtime writes it from one directory, and from another
  for (
    const place of [
      "file:///srv/f%C3%BCr%20(us)/handler.ts:7:9",
      "file:///srv/für (us)/handler.ts:7:9",
      "file:///srv/f%C3%BCr (us)/handler.ts:7:9",
    ]
  ) {
    assert.equal(
      describeError(errorAt("x", `${ours}:1:2`, `${OURS}:1:2`, place)),
      "RangeError: x at /srv/für (us)/handler.ts:7:9",
    );
  }
  assert.equal(
    describeError(errorAt("x", "file:///srv/100%.ts:7:9")),
    "RangeError: x at /srv/100%.ts:7:9",
  );
  assert.equal(
    describeError(
      errorAt(
        'not "file:///srv/a b.ts" or file:///srv/c',
        "file:///srv/d e.ts:7:9",
      ),
    ),
    'RangeError: not "file:///srv/a b.ts" or file:///srv/c at /srv/d e.ts:7:9',
  );
});

test("describeError: fits into a report, with the place, whatever its length", () => {
  const long = errorAt("ü".repeat(999), `file:///${"d/".repeat(99)}x.ts:1:2`);
  const text = describeError(long);
  assert.ok(new TextEncoder().encode(text).length <= 200);
  assert.match(text, /^RangeError: ü{10,} at [d/]+x\.ts:1:2$/);
});

for (
  const advice of [
    "run again with the --allow-env flag",
    "specify the required permissions during compilation using `deno compile --allow-env`",
  ]
) {
  test(`describeError: the option that gives a permission is ours, not "${advice}"`, () => {
    const error = errorAt(
      `Requires env access to "HOME", ${advice}`,
      "file:///srv/handler.ts:7:9",
    );
    assert.equal(
      describeError(error),
      'RangeError: Requires env access to "HOME", which was not granted (--grant env=HOME) at /srv/handler.ts:7:9',
    );
  });
}

for (
  const [message, told] of [
    [
      'read access to "/srv/a.txt", run again with the --allow-read flag',
      "(--grant read=/srv/a.txt)",
    ],
    [
      'net access to "[::1]:80", run again with the --allow-net flag',
      "(--grant net=[::1]:80)",
    ],
    // What a list or a shell would take apart.
    [
      'read access to "/a b,c", run again with the --allow-read flag',
      "(--grant read)",
    ],
    [
      "ffi access, run again with the --allow-ffi flag",
      "which was not granted (--grant ffi)",
    ],
    [
      'all access to "/proc/1", run again with the --allow-all flag',
      '"/proc/1", which no --grant gives',
    ],
  ] as const
) {
  test(`describeError: names the smallest grant that gives it: ${told}`, () => {
    const error = errorAt(`Requires ${message}`, "file:///h.ts:1:1");
    assert.ok(describeError(error).endsWith(`${told} at /h.ts:1:1`));
  });
}

const unshowable = Object.defineProperty(new Error(), "message", {
  get: () => {
    throw new Error("no");
  },
});

for (
  const [thrown, text] of [
    ["just\nwords", "just words"],
    [undefined, "undefined"],
    [null, "null"],
    [{ code: 5 }, "{ code: 5 }"],
    [Object.create(null), "[Object: null prototype] {}"],
    [unshowable, "an error that cannot be shown"],
  ]
) {
  test(`describeError: whatever is thrown is described: ${text}`, () => {
    assert.equal(describeError(thrown), text);
  });
}
