/** Loads a module, and says what it keeps, as a zygote finds it. */
import { Leftovers } from "../../src/zygote/leftovers.ts";
import { Replaced } from "../../src/zygote/replaced.ts";

const leftovers = new Leftovers(new Replaced());
await import(Deno.args[0]!);
const found = await leftovers.find() ?? "nothing";
Deno.stdout.writeSync(new TextEncoder().encode(found));
Deno.exit(); // the module would keep it running
