/**
 * The code of the executables: one bundle for each role and for each of the commands that are started often, and
 * `main.js`, which picks one. To load a bundle costs far less than a hundred modules.
 *
 * Nobody can import anything of them, such as a handler: they export nothing, and an import map closes them.
 *
 * @module
 */
import { EARLY_PLACES, PLACES } from "../src/cli/programs.ts";
import { PARTS, SOURCES } from "../src/page/document.ts";
import { ROLES } from "../src/runtime/roles.ts";
import { runDeno } from "./run_deno.ts";

/** Where `main.ts` finds those of roles and commands. */
const DIRECTORY = "roles";
/** What starts first: it picks one of them. */
const MAIN = "main.js";

/**
 * The configuration to compile bundles with: its import map lets `main.js` alone import the others. It must be open
 * itself, as the runtime looks it up in the map as well.
 *
 * @returns What `deno.json` says.
 */
export function closedConfiguration(): Record<string, unknown> {
  return {
    imports: { "./": null, [`./${MAIN}`]: `./${MAIN}` },
    scopes: { [`./${MAIN}`]: { [`./${DIRECTORY}/`]: `./${DIRECTORY}/` } },
    nodeModulesDir: "none",
  };
}

/**
 * Bundles the sources.
 *
 * @param sources Where they are, with their packages.
 * @param output The directory to write to.
 * @throws {ReleaseError} When `deno bundle` fails; what it said stands above.
 */
export async function bundle(sources: string, output: string): Promise<void> {
  const entries = Object.entries(await entryPoints(sources));
  await Deno.mkdir(`${sources}/${DIRECTORY}`);
  for (const [name, text] of entries) {
    await Deno.writeTextFile(`${sources}/${DIRECTORY}/${name}.ts`, text);
  }
  const files = entries.map(([name]) => `${DIRECTORY}/${name}`);
  await runDeno(
    [
      ...["bundle", "--quiet", "--sourcemap=inline", "--outdir=."],
      ...["main.ts", ...files.map((file) => `${file}.ts`)],
    ],
    {
      cwd: sources,
      failure: "Cannot bundle",
      hint: ": the first time, it gets esbuild from the npm registry",
      env: { DENO_CONDITIONS: "browser" }, // LogTape without Node modules, which take long to load
    },
  );
  await Deno.mkdir(`${output}/${DIRECTORY}`);
  for (const file of [MAIN, ...files.map((file) => `${file}.js`)]) {
    const text = await Deno.readTextFile(`${sources}/${file}`);
    await Deno.writeTextFile(`${output}/${file}`, await withShortMap(text));
  }
}

/** What each bundle is made of, by its name. */
async function entryPoints(sources: string): Promise<Record<string, string>> {
  const roles = Object.entries(ROLES).map(([role, path]) => {
    const words = `Deno.args.slice(Deno.args.indexOf("${role}") + 1)`;
    return [
      role.slice(1),
      `import { run } from "../src/runtime/${path}";\nawait run(${words});\n`,
    ];
  });
  const ofAll = loadedBy("run.ts");
  const ofClient = loadedBy("client_command.ts");
  const ofServe = loadedBy("serve/");
  return {
    ...Object.fromEntries(roles),
    serve: commands(EARLY_PLACES.serve!, PLACES.serve, ...ofAll, ...ofServe),
    client: commands(
      EARLY_PLACES.client!,
      PLACES.client,
      ...ofAll,
      ...ofClient,
    ),
    commands: await filesOfPage(sources) + commands(
      ...[...Object.values(EARLY_PLACES), ...Object.values(PLACES)],
      ...[...ofAll, ...ofServe, ...ofClient],
    ),
  };
}

/** What a file of the commands, or those in a folder, load by name. */
function loadedBy(path: string): string[] {
  const at = new URL(`../src/cli/${path}`, import.meta.url);
  if (path.endsWith("/")) {
    return [...Deno.readDirSync(at)].flatMap(({ name, isDirectory }) =>
      loadedBy(`${path}${name}${isDirectory ? "/" : ""}`)
    );
  }
  const code = Deno.readTextFileSync(at);
  return [...code.matchAll(/\bload<[^;]*?>\(\s*"([^"]+)"/g)]
    .map(([, place]) => place!);
}

/** The files that the page is made of and leads to: an executable has them in its code. */
async function filesOfPage(sources: string): Promise<string> {
  const files = [
    ...PARTS.map((name) => [name, `src/page/web/${name}`]),
    ...SOURCES.map((name) => [name, name]),
  ];
  const lines = await Promise.all(files.map(async ([name, path]) => {
    const text = await Deno.readTextFile(`${sources}/${path}`);
    // In base64: no line of theirs is to look like one of the bundle's.
    const bytes = new TextEncoder().encode(text).toBase64();
    return `EMBEDDED[${JSON.stringify(name)}] = "${bytes}";\n`;
  }));
  return `import { EMBEDDED } from "../src/page/document.ts";\n${
    lines.join("")
  }`;
}

/** A program that has some of the modules with it that it loads by name. */
function commands(...places: string[]): string {
  const bundled = [...new Set(places)].map((place) =>
    `BUNDLED["${place}"] = () => import("../src/cli/${place}");\n`
  );
  return `import { BUNDLED } from "../src/cli/programs.ts";
import { run } from "../src/cli/run.ts";
${bundled.join("")}await run(Deno.args);
`;
}

const MAP = "\n//# sourceMappingURL=data:application/json;base64,";

/**
 * A bundle whose map says where each line came from, and nothing of its parts, and has not the lines: an error names
 * files and lines of the sources. A start reads all that is in an executable, and its map was as long as the code.
 */
async function withShortMap(bundle: string): Promise<string> {
  // Read when it is wanted: where packages cannot be got, who compiles is told first what that needs.
  const { decode, encode } = await import("@jridgewell/sourcemap-codec");
  const at = bundle.lastIndexOf(MAP) + MAP.length;
  const bytes = Uint8Array.fromBase64(bundle.slice(at).trim());
  const { sources, mappings } = JSON.parse(new TextDecoder().decode(bytes));
  const starts = decode(mappings).map(([first]) =>
    first === undefined || first.length === 1
      ? []
      : [first.slice(0, 4) as [number, number, number, number]] // without a name
  );
  const map = { version: 3, sources, names: [], mappings: encode(starts) };
  const shorter = new TextEncoder().encode(JSON.stringify(map));
  return `${bundle.slice(0, at)}${shorter.toBase64()}\n`;
}
