/**
 * `mpserv page`: a running server as a page for a browser, until a person ends it.
 *
 * @module
 */
import { servePage } from "../../page/page_server.ts";
import { reasonOf } from "../../posix/reason.ts";
import { print, say, UserError } from "../terminal.ts";
import { findServer } from "./find_server.ts";

interface OpenPageOptions {
  /** The port; 0 for a free one. */
  readonly port: number;
  /** Whether a browser is to be opened. */
  readonly open: boolean;
}

/**
 * Serves the page until SIGINT, SIGTERM or SIGHUP. Throws `ControlError` when there is no such server. Throws
 * `UserError` when the port cannot be had.
 */
export async function openPage(
  target: string | undefined,
  { port, open }: OpenPageOptions,
): Promise<void> {
  const { path, address } = await found(target);
  await using page = await servePage({ control: path, port }).catch((error) => {
    throw new UserError(
      `Cannot serve the page on port ${port}: ${
        reasonOf(error)
      }: use another --port, or none`,
    );
  });
  print(`${page.url}\n`);
  say(
    `open this address in a browser to see the server on ${address}; Ctrl-C ends the page`,
  );
  if (open) openBrowser(page.url);
  await toldToEnd();
}

async function found(
  target: string | undefined,
): Promise<{ path: string; address: string }> {
  using client = await findServer(target);
  const { address } = await client.ask({ command: "status" });
  return { path: client.path, address };
}

/** Opens an address in a browser; if that fails, the address is on the terminal. */
function openBrowser(url: string): void {
  const program = Deno.build.os === "darwin" ? "open" : "xdg-open";
  try {
    new Deno.Command(program, {
      args: [url],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn().unref();
  } catch (error) {
    say(
      `Cannot open a browser with ${program}: ${
        reasonOf(error)
      }: open the address yourself`,
    );
  }
}

function toldToEnd(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => resolve());
  }
  return promise;
}
