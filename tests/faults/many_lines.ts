/** Logs so many lines at once as its argument says, and one more when its standard input ends. */
import { openLog } from "../../src/cli/serve/log.ts";

const { logger, flush } = openLog("info", "text");
for (let i = 0; i < Number(Deno.args[0]); i++) {
  logger.info("one line of many, which nobody reads: number {i}", { i });
}
await Deno.stdout.write(new Uint8Array(1));
await Deno.stdin.read(new Uint8Array(1));
logger.info("the last line");
await flush();
