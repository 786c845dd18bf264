/** Nothing that the runtime stores on disk without a permission reaches the next client. */
import assert from "node:assert/strict";
import { handlerFile } from "../helpers/handler_file.ts";
import { notRewound } from "../helpers/models.ts";
import { type Model, models, startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

const HANDLER = await handlerFile("handlers/keeper.ts", import.meta.url);

/** The answers for two clients with a secret of one server. */
async function visits(
  model: Model,
  secrets: readonly string[],
  ...options: string[]
): Promise<string[]> {
  // What is granted more is met by processes that are not put back, which is worse.
  const more = options.length > 0 ? notRewound(model) : [];
  const args = ["--handler", HANDLER, ...options, ...more];
  await using server = await startServer({ model, args });
  const told: string[] = [];
  for (const secret of secrets) {
    using conn = await connect(server.port);
    const bytes = new TextEncoder().encode(secret);
    told.push(new TextDecoder().decode(await exchange(conn, bytes)));
  }
  return told;
}

for (const model of models()) {
  const more = [["--grant", "read"], ["--sandbox", "off"]];
  // One process serves many in a pool alone.
  for (const options of model === "pool" ? [[], ...more] : [[]]) {
    test(`attack (${model}${options.map((word) => ` ${word}`).join("")}): nothing that the runtime keeps passes from client to client, or to the next server`, async () => {
      // Nothing but the sandbox keeps it from workers.
      const isOff = options.includes("off");
      const secret = () => (isOff ? "alone " : "") + crypto.randomUUID();
      const secrets = [secret(), secret()];
      const told = [
        ...await visits(model, secrets, ...options),
        // The next server; where files can be read it has no more than where they cannot be written. Where those of a
        // pool cannot be written, either, it is as with `fork`.
        ...options.includes("read") || (model === "pool" && !isOff)
          ? []
          : await visits(model, [secret()], ...options),
      ];
      for (const text of told) {
        for (const kept of secrets) assert.ok(!text.includes(kept), text);
        const { worker, ...places } = JSON.parse(text);
        for (const [place, found] of Object.entries(places)) {
          assert.match(
            String(found),
            /^TypeError: /,
            `${place} is there: ${found}`,
          );
        }
        if (!isOff) assert.equal(typeof worker, "string", worker);
      }
    });
  }
}
