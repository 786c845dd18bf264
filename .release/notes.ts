/**
 * What a release says of itself: the section of CHANGELOG.md for the version of deno.json, on standard
 * output. Fails when the tag, its argument, is of another version.
 *
 * @module
 */
import manifest from "../deno.json" with { type: "json" };
import { fail, run } from "./fail.ts";
import { ROOT } from "./stage.ts";

/**
 * The section of one version.
 *
 * @param changelog A changelog in the form of keepachangelog.com.
 * @param version Which.
 * @returns Its text, without the heading.
 * @throws {ReleaseError} When there is none, or nothing in it.
 */
export function sectionOf(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.startsWith(`[${version}]`));
  const text = section?.slice(section.indexOf("\n")).trim();
  if (text) return text + "\n";
  fail(
    `Cannot release ${version}: CHANGELOG.md has nothing under "## [${version}]"`,
  );
}

if (import.meta.main) {
  await run(async () => {
    const [tag] = Deno.args;
    const { version } = manifest;
    if (tag !== `v${version}`) {
      fail(
        `Cannot release the tag "${tag}": deno.json has version ${version}: expected v${version}`,
      );
    }
    const changelog = await Deno.readTextFile(new URL("CHANGELOG.md", ROOT));
    const bytes = new TextEncoder().encode(sectionOf(changelog, version));
    for (let sent = 0; sent < bytes.length;) {
      sent += Deno.stdout.writeSync(bytes.subarray(sent));
    }
  });
}
