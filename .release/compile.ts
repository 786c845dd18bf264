/**
 * `deno task compile`: both executables for this system, in dist/.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { compile, EXECUTABLES } from "./executables.ts";
import { run, say } from "./fail.ts";
import { makeStage, ROOT } from "./stage.ts";

await run(async () => {
  await using stage = await makeStage(new Date());
  for (const executable of EXECUTABLES) {
    const output = `${fileURLToPath(ROOT)}dist/${executable.name}`;
    await compile(executable, stage, { output });
    say(`compiled dist/${executable.name}`);
  }
});
