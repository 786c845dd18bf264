/**
 * The installer as it is published: it knows its version and where the archives are.
 *
 * @module
 */
import { fail } from "./fail.ts";

const SCRIPT = new URL("install.sh", import.meta.url);

/**
 * Fills in the installer.
 *
 * @param known The version, and the address below which the archives will be, when it is known.
 * @returns The script.
 * @throws {ReleaseError} When the address is none.
 */
export async function fillInstaller(
  { version, url }: { version: string; url?: string | undefined },
): Promise<Uint8Array> {
  // It stands in a shell script, without quotes.
  if (url !== undefined && !/^https?:\/\/[\w.:/~%@+-]+$/.test(url)) {
    fail(
      `Cannot use the address "${url}": expected an address such as https://example.org/mpserv`,
    );
  }
  const script = (await Deno.readTextFile(SCRIPT))
    .replace(/^from=$/m, `from=${url?.replace(/\/$/, "") ?? ""}`)
    .replace(/^version=$/m, `version=${version}`);
  return new TextEncoder().encode(script);
}
