/**
 * `deno task test`, `deno task test:quick` and, with `--portable`, the tests that every system can run: runs them, and
 * says at the end which took longest.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { writeGroups } from "./helpers/grouped.ts";
import { exists } from "./helpers/testing.ts";

const ROOT = new URL("../", import.meta.url);
/** How many tests are named at the end. */
const SLOWEST = 10;
/** How many files are tested at once: most of a test is waiting. */
const JOBS = "4";
/** How many runtimes test all files that start no process, and all that start some. */
const GROUPS = { quick: 4, processes: 16 };
/**
 * What has a runtime of its own: what takes longest, and what plays a part of the model in its own process.
 */
const ALONE = /\/(model|page|soak)\/|\/(table|release|leaks)_test/;
/** The marks of a test that starts processes. */
const STARTS = /\bDeno\.Command\b|\bstart(\w*Process|Model\b)|\bfork\(/;

/** The marks of a test that needs Linux: its files, its calls, the models that only it has. */
const LINUX =
  /["'`(]\/proc\b|strace|unshare|setpriv|cgroup|seccomp|landlock|prctl|memfd|zygote|gcc\b|"fork"|model: "pool"/i;
/** Tests that start processes, with nothing of Linux. */
const PORTABLE = ["portable_test.ts", "release/"];

/** A file and all of ours below tests/ that it imports. */
function closure(file: URL, seen = new Map<string, string>()) {
  if (seen.has(file.href)) return seen;
  const code = Deno.readTextFileSync(file);
  seen.set(file.href, code);
  for (const [, path] of code.matchAll(/\bfrom\s+"(\.[^"]+\.ts)"/g)) {
    const imported = new URL(path!, file);
    if (!imported.href.includes("/tests/")) continue;
    if (exists(fileURLToPath(imported))) closure(imported, seen); // a handler in a text imports what is none
  }
  return seen;
}

/** Every file of tests that has none of some marks, in any of what it imports. */
function filesWithout(marks: RegExp[], folder: URL): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) return filesWithout(marks, path);
    if (!name.endsWith("_test.ts")) return [];
    const codes = [...closure(path).values()];
    const isMarked = marks.some((mark) =>
      codes.some((code) => mark.test(code))
    );
    return isMarked ? [] : [path.href];
  }).sort();
}

/** The files that an option stands for: all, unless it is one of ours. */
function chosen(option: string | undefined): string[] {
  const folder = new URL("tests/", ROOT);
  if (option === "--quick") return filesWithout([STARTS], folder);
  if (option !== "--portable") return filesWithout([], folder);
  const others = PORTABLE.map((name) => new URL(name, folder)).flatMap((url) =>
    url.href.endsWith("/") ? filesWithout([], url) : [url.href]
  );
  return [...filesWithout([STARTS, LINUX], folder), ...others];
}

/** Tests that took longest, of a report in the form of JUnit. */
function slowest(report: string): string[] {
  const pattern = /<testcase name="([^"]*)" [^>]*?time="([\d.]+)"/g;
  return [...report.matchAll(pattern)]
    .map(([, name, time]) => ({ name: plain(name!), time: Number(time) }))
    .sort((one, other) => other.time - one.time)
    .slice(0, SLOWEST)
    .map(({ name, time }) => `${time.toFixed(1).padStart(7)} s  ${name}\n`);
}

function plain(text: string): string {
  const entities = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return Object.entries(entities).reduce(
    (text, [name, character]) => text.replaceAll(`&${name};`, character),
    text.replaceAll(/&#(\d+);/g, (_, code) => String.fromCodePoint(+code)),
  );
}

const OURS = ["--quick", "--portable"];
const asked = Deno.args.filter((arg) => !OURS.includes(arg));
const directory = await Deno.makeTempDir({ prefix: "mpserv-tests-" });
try {
  const report = `${directory}/report.xml`;
  // Files that a person names have a runtime each, as with `deno test`.
  const areNamed = asked.some((arg) => !arg.startsWith("-"));
  const files = areNamed ? [] : chosen(Deno.args[0]);
  const quick = filesWithout([STARTS], new URL("tests/", ROOT));
  const start = files.filter((file) => !quick.includes(file));
  const alone = start.filter((file) => ALONE.test(file));
  // They run in the order of their names: what takes longest begins first.
  const paths = [
    ...writeGroups(alone, alone.length, directory, "alone"),
    ...writeGroups(
      start.filter((file) => !ALONE.test(file)),
      GROUPS.processes,
      directory,
      "processes",
    ),
    ...writeGroups(
      files.filter((file) => quick.includes(file)),
      GROUPS.quick,
      directory,
      "quick",
    ),
  ];
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      // `deno task check` checks the types.
      ...["test", "--parallel", "-A", "--no-check", `--junit-path=${report}`],
      ...asked,
      ...paths,
    ],
    cwd: ROOT,
    env: { DENO_JOBS: Deno.env.get("DENO_JOBS") ?? JOBS },
  }).spawn().status;
  // None where no test could be loaded.
  const lines = slowest(await Deno.readTextFile(report).catch(() => ""));
  if (lines.length > 0) {
    const text = `\nthe slowest tests:\n${lines.join("")}`;
    Deno.stdout.writeSync(new TextEncoder().encode(text));
  }
  Deno.exitCode = code;
} finally {
  await Deno.remove(directory, { recursive: true });
}
