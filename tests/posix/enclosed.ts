/** Encloses itself, with threads of the runtime's that there were before, and says what it can reach then. */
import { enterDomain, makeRuleset } from "../../src/posix/landlock.ts";
import { giveUpCapabilities } from "../../src/posix/every_thread.ts";

const [file, port] = Deno.args as [string, string];
const other = Number(port);
/** Many at a time, so that each thread of the pool has some. */
const many = <T>(act: () => Promise<T>) =>
  Promise.all(Array.from({ length: 64 }, act));
const outcome = (act: Promise<unknown>) =>
  act.then(() => "done", (error: Error) => error.name);

await many(() => Deno.stat(file));
giveUpCapabilities({ threads: true }); // as anyone but root is
using ruleset = makeRuleset({
  files: [{ path: `${file}.open`, access: ["read"] }, {
    path: "/proc/self",
    access: ["read"],
  }],
  connect: [other],
  bind: [],
});
enterDomain(ruleset, { threads: true });
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
