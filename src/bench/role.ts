/**
 * The processes that a benchmark starts (role `@bench`), each with its own code.
 *
 * @module
 */

/**
 * Runs one of them to its end.
 *
 * @throws {TypeError} When there is no such process.
 */
export async function run(args: readonly string[]): Promise<void> {
  const [which, json = "null"] = args;
  const what = JSON.parse(json);
  switch (which) {
    case "load":
      return (await import("./load_process.ts")).makeLoad(what);
    case "relay":
      return (await import("./relay.ts")).relay(what);
    case "client":
      return await (await import("./compared_client.ts")).converse(what);
    default:
      throw new TypeError(`Cannot run "${which}": no such process`);
  }
}

if (import.meta.main) await run(Deno.args);
