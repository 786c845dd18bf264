/**
 * Tests that only connect, together on one server: to start and to end one costs more than most of them.
 *
 * @module
 */
import { type ServerOptions, startServer, type TestServer } from "./server.ts";

/** Statements, each with its test. */
export type Together = Readonly<
  Record<string, (server: TestServer) => Promise<void>>
>;

/**
 * Tests one server in several steps; the server is looked at as a whole when all have ended.
 *
 * @param name What is tested.
 * @param options How to start the server.
 * @param steps What holds, each by its name. They see each other's lines in the log.
 */
export function testTogether(
  name: string,
  options: ServerOptions,
  steps: Together,
): void {
  Deno.test(name, async (t) => {
    await using server = await startServer(options);
    for (const [title, step] of Object.entries(steps)) {
      // The log is read all the time: the test as a whole is what leaves nothing behind.
      await t.step({
        name: title,
        fn: () => step(server),
        sanitizeOps: false,
        sanitizeResources: false,
      });
    }
  });
}
