/** An update replaces the executable while it runs. */
import assert from "node:assert/strict";
import { commandLine } from "../helpers/command.ts";
import { killNow } from "../helpers/processes.ts";
import { models, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { hold, roundTrip } from "../helpers/wire_client.ts";

for (const model of models()) {
  test(`binary (${model}): one that is replaced on disk goes on serving with new processes`, async () => {
    await using directory = temporaryDirectory();
    const [original] = commandLine([]);
    const copy = `${directory.path}/program`;
    // Not by this process: what another test starts meanwhile has the file open for an instant, and what
    // is open for writing cannot be run (ETXTBSY).
    const copyTo = async (path: string) => {
      const args = [original, path];
      const { success } = await new Deno.Command("cp", { args }).output();
      assert.ok(success);
    };
    await copyTo(copy);
    await using server = await startServer({
      model,
      crew: model === "spawn" ? "usual" : "few",
      through: ["/bin/sh", "-c", 'shift; exec "$0" "$@"', copy],
    });
    using held = await hold(server.port);
    await copyTo(`${copy}.new`);
    await Deno.rename(`${copy}.new`, copy);
    for (let round = 0; round < 2; round++) {
      const serving = server.serving().map(({ pid }) => pid);
      for (const { pid } of server.children()) {
        if (!serving.includes(pid)) killNow(pid); // what comes after them is started now
      }
      using next = await hold(server.port);
      assert.equal(await roundTrip(next), "hello");
    }
    assert.equal(await roundTrip(held), "hello");
    assert.equal(server.log.where("client refused").length, 0);
  });
}
