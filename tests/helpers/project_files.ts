/**
 * Projects that a test writes into a directory of its own.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { temporaryDirectory } from "./testing.ts";

/** Adds two numbers: (module (func (export "add") (param i32 i32) (result i32) …)), with a byte that is no UTF-8. */
export const ADD_WASM = Uint8Array.from([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // \0asm, version 1
  ...[1, 7, 1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f], // type: (i32, i32) -> i32
  ...[3, 2, 1, 0], // function 0 has type 0
  ...[7, 7, 1, 3, 0x61, 0x64, 0x64, 0, 0], // export "add"
  ...[10, 9, 1, 7, 0, 0x20, 0, 0x20, 1, 0x6a, 0x0b], // local.get 0, local.get 1, i32.add
  ...[0, 4, 1, 0x78, 0xff, 0xfe], // custom section "x"
]);

/** Files by path; what is no text or bytes becomes JSON. */
export type Files = Readonly<Record<string, unknown>>;

/**
 * Writes a project.
 *
 * @param files Its files.
 * @returns The directory, to be disposed of.
 */
export function project(files: Files) {
  const directory = temporaryDirectory();
  write(directory.path, files);
  return directory;
}

/** Writes files below a directory. */
export function write(directory: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name);
    Deno.mkdirSync(dirname(path), { recursive: true });
    if (content instanceof Uint8Array) Deno.writeFileSync(path, content);
    else {
      Deno.writeTextFileSync(
        path,
        typeof content === "string" ? content : JSON.stringify(content),
      );
    }
  }
}

/** A handler that says what an expression of its module is, and the imports before it. */
export function telling(expression: string, ...before: string[]): string {
  return `${before.join("\n")}
export default async (conn) => {
  await conn.write(new TextEncoder().encode(String(${expression})));
};
`;
}

/** A package of Node's, in CommonJS, with a file of its own. */
export const LEFTPAD: Files = {
  "node_modules/leftpad/package.json": { name: "leftpad", version: "1.0.0" },
  "node_modules/leftpad/index.js":
    'module.exports = (text) => require("./sign.js") + text;',
  "node_modules/leftpad/sign.js": 'module.exports = "<";',
};
