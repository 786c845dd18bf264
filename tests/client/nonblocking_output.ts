/**
 * Runs a command with this process's standard output, made non-blocking, which the command's is then
 * too: `O_NONBLOCK` belongs to the open file.
 *
 * @module
 */
import { setNonblocking } from "../../src/posix/fd.ts";

const [program = "", ...args] = Deno.args;
setNonblocking(1, true);
const { code } = await new Deno.Command(program, {
  args,
  stdin: "inherit",
  stdout: "inherit",
  stderr: "inherit",
}).spawn().status;
Deno.exit(code);
