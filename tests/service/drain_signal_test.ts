import assert from "node:assert/strict";
import { handlerFile } from "../helpers/handler_file.ts";
import { notRewound } from "../helpers/models.ts";
import { models, startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { connect, receive, receiveAll } from "../helpers/wire_client.ts";

const handler = await handlerFile("handlers/patient.ts", import.meta.url);

for (const model of models()) {
  test(`handler (${model}): its signal is aborted when the server drains`, async () => {
    await using server = await startServer({
      model,
      args: ["--handler", handler, ...notRewound(model)],
    });
    using conn = await connect(server.port);
    assert.equal(new TextDecoder().decode(await receive(conn, 6)), "hello ");
    server.signal("SIGTERM");
    assert.equal(new TextDecoder().decode(await receiveAll(conn)), "goodbye");
    assert.equal((await server.exit()).code, 0);
    const line = await server.log.waitFor("client disconnected...");
    assert.equal(line.reason, "closed");
  });
}
