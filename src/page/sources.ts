/**
 * The files that the page leads to, so that a step's code is one click away.
 *
 * @module
 */
import { readEmbedded } from "./document.ts";

/** Which files, as the page names them (`web/steps.js`). */
export const SOURCES: readonly string[] = [
  "src/server/acceptor.ts",
  "src/server/connections.ts",
  "src/server/gate.ts",
  "src/posix/net/handover.ts",
  "src/posix/forking.ts",
  "src/zygote/zygote_role.ts",
  "src/wire/records.ts",
  "src/wire/tell.ts",
  "src/model/fork.ts",
  "src/model/workers.ts",
  "src/model/queue.ts",
  "src/child/connection.ts",
  "src/child/serve_one.ts",
  "src/service/echo.ts",
  "src/client/client.ts",
  "src/client/writer_role.ts",
  "src/client/lock_step.ts",
];

/**
 * The text of one of them.
 *
 * @param path Such as `/source/src/server/acceptor.ts`.
 * @returns Its text; null when it is none of them.
 */
export async function readSource(path: string | null): Promise<string | null> {
  const name = SOURCES.find((one) => path === `/source/${one}`);
  if (name === undefined) return null;
  return await readEmbedded(name, new URL(`../../${name}`, import.meta.url));
}
