import assert from "node:assert/strict";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";

const FOLDER = new URL("../../src/server/", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, FOLDER));
const UNITS = ["mpserv.socket", "mpserv.service"];

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
  for (const name of UNITS) {
    paths.push(`${directory}/${name}`);
    await Deno.writeTextFile(
      paths.at(-1)!,
      read(`systemd/${name}`).replaceAll(
        "/usr/local/bin/mpserv",
        Deno.execPath(),
      ),
    );
  }
  return paths;
}

const withSystemd = {
  ignore: missing("the units", "systemd-analyze"),
};

test("units: systemd has nothing to say against the units", async () => {
  await using directory = temporaryDirectory();
  const units = await writeUnits(directory.path);
  assert.equal(units.length, 2);
  const { code, text } = await run("systemd-analyze", "verify", ...units);
  assert.deepEqual({ code, text }, { code: 0, text: "" });
}, withSystemd);

test("units: the exposure of the service is what it says", async () => {
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
  const said = Number(/an exposure of\s+([\d.]+)/.exec(read("README.md"))?.[1]);
  // Newer versions of systemd weigh a little differently.
  assert.ok(Math.abs(exposure - said) <= 0.5, `${exposure}, not ${said}`);
}, withSystemd);

test("units: the Deployment's times and ports agree with each other and with the Dockerfile", () => {
  const yaml = read("container/mpserv.yaml");
  const dockerfile = read("container/Dockerfile");
  const number = (pattern: RegExp) => Number(pattern.exec(yaml)?.[1]);
  const grace = number(/terminationGracePeriodSeconds: (\d+)/);
  const pause = number(/"sleep", "(\d+)"/);
  const drain = number(/"--drain-timeout", "(\d+)s"/);
  assert.ok(grace > pause + drain, `${grace} s for ${pause} s and ${drain} s`);
  const port = /EXPOSE (\d+)/.exec(dockerfile)?.[1];
  assert.match(dockerfile, new RegExp(`"serve", "${port}"`));
  assert.match(yaml, new RegExp(`containerPort: ${port}\\b`));
});
