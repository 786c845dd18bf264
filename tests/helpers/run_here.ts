/**
 * Commands that start no process, run in this one, unless they are an executable's: a process costs a whole runtime.
 *
 * @module
 */
import { understand } from "../../src/cli/run.ts";
import { outcome } from "../../src/cli/terminal.ts";
import { type Result, runCommand } from "./command.ts";
import { isCompiled } from "./handler_file.ts";
import "./opened_library.ts";
import { within } from "./testing.ts";

/**
 * Runs `mpserv ARGS` to its end, one at a time. It has the variables of this process: a server is named by the path
 * of its control socket.
 *
 * @param args What comes after the program's name.
 * @returns What it said, and its exit code.
 */
export async function runHere(args: readonly string[]): Promise<Result> {
  if (isCompiled) return await runCommand(args);
  using stdout = heard(Deno.stdout);
  using stderr = heard(Deno.stderr);
  const ended = outcome(async () => await (await understand(args))() ?? 0);
  const code = await within(`the end of ${args.join(" ")}`, ended);
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/** Keeps what is written to a stream, until the end of the block. */
function heard(stream: typeof Deno.stdout): Disposable & { text(): string } {
  const { writeSync } = stream;
  const decoder = new TextDecoder();
  let text = "";
  stream.writeSync = (bytes) => {
    text += decoder.decode(bytes, { stream: true });
    return bytes.length;
  };
  return {
    text: () => text,
    [Symbol.dispose]: () => void (stream.writeSync = writeSync),
  };
}
