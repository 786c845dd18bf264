/** Default exports that cannot serve; a real server says the first of them in `handler_test.ts`. */
import assert from "node:assert/strict";
import { loadHandler } from "../../src/service/load.ts";
import { test } from "../helpers/testing.ts";

const UNFIT: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
  ["nothing", {}, /no default export/],
  ["no function", { default: 5 }, /no default export/],
  ["a class", { default: class {} }, /a class as/],
  [
    "a generator",
    {
      default: function* (conn: unknown) {
        yield conn;
      },
    },
    /a generator as its default export.*export a function/,
  ],
  [
    "an asynchronous generator",
    {
      default: async function* (conn: unknown) {
        yield await conn;
      },
    },
    /a generator as its default export/,
  ],
];

for (const [what, module, told] of UNFIT) {
  test(`handler: a module whose default export is ${what} is no handler`, async () => {
    await assert.rejects(loadHandler(() => Promise.resolve(module)), told);
  });
}
