/**
 * `deno task release`: archives with the executables, manual pages and completions, their checksums,
 * and the installer.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import manifest from "../deno.json" with { type: "json" };
import { runTool } from "../src/cli/run.ts";
import { named, or, several } from "../src/cli/options.ts";
import { command } from "../src/cli/command.ts";
import { type ArchiveFile, checksumLine, makeArchive } from "./archive.ts";
import { makeDocuments } from "./documents.ts";
import { compile, EXECUTABLES, type Target, TARGETS } from "./executables.ts";
import { fail, run, say } from "./fail.ts";
import { fillInstaller } from "./installer.ts";
import { printedBy } from "./printed_by.ts";
import { makeStage, ROOT, type Stage } from "./stage.ts";

const { version } = manifest;

const release = command({
  name: "release",
  about:
    "Make mpserv-VERSION-TARGET.tar.gz for each system, SHA256SUMS and install.sh.",
  operands: {},
  options: {
    target: several(
      "<triple>",
      "build only for this system; may be repeated",
      TARGETS,
    ),
    output: or(
      named("<directory>", "directory to write to", "--output", "directory"),
      `${fileURLToPath(ROOT)}dist`,
    ),
    url: named(
      "<url>",
      "address of the archives, for install.sh",
      "--url",
    ),
  },
  begin: ({ options }) => () => run(() => make(options)),
});

/** The date of the sources: SOURCE_DATE_EPOCH (reproducible-builds.org), else of the last commit. */
async function sourceDate(): Promise<Date> {
  const seconds = (Deno.env.get("SOURCE_DATE_EPOCH") ??
    await printedBy("git", "log", "-1", "--format=%ct")).trim();
  if (/^\d+$/.test(seconds)) return new Date(Number(seconds) * 1000);
  fail(
    `Cannot use the date "${seconds}": expected seconds since 1970 in SOURCE_DATE_EPOCH`,
  );
}

async function makeExecutables(
  stage: Stage,
  target: Target,
): Promise<ArchiveFile[]> {
  const files: ArchiveFile[] = [];
  for (const executable of EXECUTABLES) {
    const { name } = executable;
    const path = `${stage.path}/${name}-${target}`;
    await compile(executable, stage, { target, output: path });
    if (target === Deno.build.target) await checkVersion(path, name);
    const data = await Deno.readFile(path);
    files.push({ name: `bin/${name}`, data, executable: true });
    await Deno.remove(path);
  }
  return files;
}

/** A runtime that does not fit what compiled it makes an executable that does not start. */
async function checkVersion(path: string, name: string): Promise<void> {
  const { code, stdout } = await new Deno.Command(path, {
    args: ["--version"],
    stderr: "inherit",
  }).output();
  const text = new TextDecoder().decode(stdout).trim();
  if (code === 0 && text.startsWith(`${name} ${version} (`)) return;
  fail(
    `Cannot release ${name}: "${name} --version" ended with code ${code} and said "${text}": is DENORT_BIN of Deno ${Deno.version.deno}?`,
  );
}

async function make(
  { target: targets = TARGETS, output, url }: {
    readonly target: readonly Target[] | undefined;
    readonly output: string;
    readonly url: string | undefined;
  },
): Promise<void> {
  const date = await sourceDate();
  await using stage = await makeStage(date);
  const documents = await makeDocuments(stage.licenses);
  await Deno.mkdir(output, { recursive: true });
  let sums = "";
  const publish = async (name: string, data: Uint8Array) => {
    await Deno.writeFile(`${output}/${name}`, data);
    sums += await checksumLine(name, data);
    say(`made ${output}/${name}`);
  };
  for (const target of targets) {
    const name = `mpserv-${version}-${target}`;
    const files = [...await makeExecutables(stage, target), ...documents];
    const inside = files.map((file) => ({
      ...file,
      name: `${name}/${file.name}`,
    }));
    await publish(`${name}.tar.gz`, await makeArchive(inside, date));
  }
  await publish("install.sh", await fillInstaller({ version, url }));
  await Deno.writeTextFile(`${output}/SHA256SUMS`, sums);
}

await runTool(release, Deno.args);
