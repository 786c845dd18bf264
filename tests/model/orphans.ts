/** What `orphans_test.ts` runs alone in a process, which reaps its children: prints who was settled, as JSON. */
import { Orphans } from "../../src/model/children.ts";

const NOBODY = [2 ** 30, 2 ** 30 + 1] as const; // no pid is as large
const settled: number[] = [];
const orphans = new Orphans(() => false);
for (const pid of NOBODY) orphans.adopt(pid, () => settled.push(pid));
orphans.settleLost((pid) => pid === NOBODY[0]);
const first = [...settled];
orphans.settleLost(() => true);
orphans.close();
Deno.stdout.writeSync(
  new TextEncoder().encode(JSON.stringify({ first, settled })),
);
