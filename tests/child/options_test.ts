import assert from "node:assert/strict";
import {
  type ChildOptions,
  encodeOptions,
} from "../../src/wire/child_options.ts";
import { test } from "../helpers/testing.ts";

const OPTIONS: ChildOptions = {
  service: { name: "echo" },
  idleTimeout: 1,
  firstByteTimeout: 2,
  grants: ["net"],
  attributes: undefined,
  sandbox: { level: "strict", isWanted: false, hasFilters: true },
  isMarked: false,
};

test("encodeOptions: nothing that there is gets lost", () => {
  assert.deepEqual(
    Object.keys(
      JSON.parse(
        new TextDecoder().decode(
          encodeOptions({ ...OPTIONS, attributes: { limits: {} } }),
        ),
      ),
    ),
    Object.keys(OPTIONS),
  );
});
