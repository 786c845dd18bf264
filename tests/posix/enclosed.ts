/** Encloses itself, with threads of the runtime's that there were before, and says what it can reach then. */
import { enterDomain, makeRuleset } from "../../src/posix/landlock.ts";
import { callsWithoutCapabilities } from "../../src/posix/every_thread.ts";

const [file, port] = Deno.args as [string, string];
const other = Number(port);
/** Many at a time, so that each thread of the pool has some. */
const many = <T>(act: () => Promise<T>) =>
  Promise.all(Array.from({ length: 64 }, act));
const outcome = (act: Promise<unknown>) =>
  act.then(() => "done", (error: Error) => error.name);

await many(() => Deno.stat(file));
using ruleset = makeRuleset({
  files: [{ path: `${file}.open`, access: ["read"] }, {
    path: "/proc/self",
    access: ["read"],
  }],
  connect: [other],
  bind: [],
});
// As anyone but root is.
const before = callsWithoutCapabilities();
enterDomain(ruleset, { threads: true, before });
const tried = await many(() => outcome(Deno.readTextFile(file)));
const found = [
  [...new Set(tried)],
  await outcome(Deno.readTextFile(`${file}.open`)),
  await outcome(Deno.writeTextFile(`${file}.open`, "")),
  await outcome(Deno.connect({ port: other })),
  await outcome(Deno.connect({ port: other === 1 ? 2 : 1 })),
  await outcome(Promise.try(() => Deno.listen({ port: 0 }))),
  await outcome(Promise.try(() => Deno.kill(Deno.ppid, "SIGCONT"))),
  await outcome(Promise.try(() => Deno.kill(Deno.pid, "SIGCONT"))),
];
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(found)));
