import assert from "node:assert/strict";
import { type Block, readmeBlocks } from "../helpers/readme.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";

/** The files that the README shows, by the path in their first line. */
const FILES = new Map(
  readmeBlocks().flatMap((block): [string, Block][] => {
    const path = /^# (\S+)\n/.exec(block.text)?.[1];
    return path === undefined ? [] : [[path, block]];
  }),
);

/** Runs a program to its end. */
async function run(
  program: string,
  ...args: string[]
): Promise<{ code: number; text: string }> {
  const output = await new Deno.Command(program, {
    args,
    stdin: "null",
    env: { SYSTEMD_COLORS: "0", LANG: "C.UTF-8" },
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(output.stdout) + decoder.decode(output.stderr);
  return { code: output.code, text };
}

/** Writes the units, with a program that is here in the place of the installed one. */
async function writeUnits(directory: string): Promise<string[]> {
  const paths: string[] = [];
  for (const [path, { text }] of FILES) {
    const name = /^\/etc\/systemd\/system\/(.*)$/.exec(path)?.[1];
    if (name === undefined) continue;
    paths.push(`${directory}/${name}`);
    await Deno.writeTextFile(
      paths.at(-1)!,
      text.replaceAll("/usr/local/bin/mpserv", Deno.execPath()),
    );
  }
  return paths;
}

const withSystemd = {
  ignore: missing("the README's units", "systemd-analyze"),
};

test("README: systemd has nothing to say against the units", async () => {
  await using directory = temporaryDirectory();
  const units = await writeUnits(directory.path);
  assert.equal(units.length, 2);
  const { code, text } = await run("systemd-analyze", "verify", ...units);
  assert.deepEqual({ code, text }, { code: 0, text: "" });
}, withSystemd);

test("README: the exposure of the service is what it says", async () => {
  await using directory = temporaryDirectory();
  const service = (await writeUnits(directory.path)).find((path) =>
    path.endsWith(".service")
  )!;
  const { text } = await run(
    "systemd-analyze",
    "security",
    "--offline=true",
    "--no-pager",
    service,
  );
  const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(text)?.[1]);
  const readme = Deno.readTextFileSync(
    new URL("../../README.md", import.meta.url),
  );
  const said = Number(/an exposure of\s+([\d.]+)/.exec(readme)?.[1]);
  // Newer versions of systemd weigh a little differently.
  assert.ok(Math.abs(exposure - said) <= 0.5, `${exposure}, not ${said}`);
}, withSystemd);

test("README: the Deployment's times and ports agree with each other and with the Dockerfile", () => {
  const yaml = FILES.get("mpserv.yaml")!.text;
  const dockerfile = FILES.get("Dockerfile")!.text;
  const number = (pattern: RegExp) => Number(pattern.exec(yaml)?.[1]);
  const grace = number(/terminationGracePeriodSeconds: (\d+)/);
  const pause = number(/"sleep", "(\d+)"/);
  const drain = number(/"--drain-timeout", "(\d+)s"/);
  assert.ok(grace > pause + drain, `${grace} s for ${pause} s and ${drain} s`);
  const port = /EXPOSE (\d+)/.exec(dockerfile)?.[1];
  assert.match(dockerfile, new RegExp(`"serve", "${port}"`));
  assert.match(yaml, new RegExp(`containerPort: ${port}\\b`));
});
