import assert from "node:assert/strict";
import { ROLES } from "../src/runtime/roles.ts";
import { test } from "./helpers/testing.ts";

const ROOT = new URL("../", import.meta.url);

/** Every TypeScript file below a folder, as a path from the project's root. */
function files(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, ROOT))].flatMap(
    ({ name, isDirectory }) => {
      if (isDirectory) return files(`${folder}${name}/`);
      return name.endsWith(".ts") ? [folder + name] : [];
    },
  );
}

function read(file: string): string {
  return Deno.readTextFileSync(new URL(file, ROOT));
}

/** The code of a file without its comments. */
function codeOf(file: string): string {
  return read(file).replaceAll(/^\s*(\/\*\*?|\*|\/\/).*$/gm, "").replaceAll(
    /\s\/\/ .*$/gm,
    "",
  );
}

interface Import {
  /** A path from the project's root, or a package's name. */
  readonly to: string;
  /** Whether only types are imported, which are gone when it runs. */
  readonly typeOnly: boolean;
  /** Whether it is imported when it is wanted. */
  readonly isLate: boolean;
}

/** The imports of a file, also dynamic ones. */
function importsOf(file: string): Import[] {
  const static_ = /^(import|export)\s+(type\s)?[^"';]*?\bfrom\s+"([^"]+)"/gm;
  const other = /\b(typeof\s+)?import\s*\(\s*"([^"]+)"|^import\s+"([^"]+)"/gm;
  const code = codeOf(file);
  return [
    ...[...code.matchAll(static_)].map(([, , type, to]) => ({
      to: to!,
      typeOnly: !!type,
      isLate: false,
    })),
    ...[...code.matchAll(other)].map(([, type, late, b]) => ({
      to: late ?? b!,
      typeOnly: !!type,
      isLate: late !== undefined,
    })),
  ].map(({ to, ...how }) => ({ to: resolve(file, to), ...how }));
}

function resolve(from: string, to: string): string {
  if (!to.startsWith(".")) return to;
  return new URL(to, new URL(from, ROOT)).href.slice(ROOT.href.length);
}

/** The folder of a source file: `posix`, `child`, …; `main.ts` and `runtime/roles.ts` stand for themselves. */
function partOf(path: string): string {
  return /^src\/(\w+)\//.exec(path)?.[1] ?? path;
}

/** Which folders each folder may import from, beside itself. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  posix: [],
  runtime: ["posix"],
  wire: ["runtime", "posix"],
  service: ["wire", "runtime", "posix"],
  sandbox: ["wire", "runtime", "posix"],
  child: ["sandbox", "service", "wire", "runtime", "posix"],
  zygote: ["child", "sandbox", "service", "wire", "runtime", "posix"],
  model: ["zygote", "sandbox", "wire", "runtime", "posix"],
  server: ["model", "wire", "posix"],
  control: ["server", "model", "wire", "posix"],
  client: ["runtime", "posix"],
  bench: ["client", "runtime", "posix"],
  page: ["control", "bench", "wire", "posix"],
};

for (const [part, allowed] of Object.entries(MAY)) {
  test(`architecture: src/${part} imports from ${["itself", ...allowed].join(", ")} alone`, () => {
    const sources = files(`src/${part}/`);
    assert.ok(sources.length > 0);
    for (const file of sources) {
      for (const { to } of importsOf(file)) {
        if (!to.startsWith("src/") && !to.endsWith(".ts")) continue; // packages: below
        const target = partOf(to);
        assert.ok(
          target === part || allowed.includes(target),
          `${file} imports ${to}`,
        );
      }
    }
  });
}

test("architecture: only src/posix, and what forks the runtime, reach for foreign code and pointers", () => {
  for (const file of ["main.ts", ...files("src/")]) {
    if (["posix", "zygote"].includes(partOf(file))) continue;
    assert.doesNotMatch(
      codeOf(file),
      /dlopen|Unsafe(Pointer|Callback|Fn)/,
      file,
    );
  }
});

test("architecture: one file alone opens the C library, and one our own machine code", () => {
  const openers = files("src/").filter((file) =>
    /Deno\.dlopen\(/.test(codeOf(file))
  );
  assert.deepEqual(openers.sort(), [
    "src/posix/libc.ts",
    "src/zygote/machine_code/machine_code.ts",
  ]);
});

test("architecture: what a child, the writer or a load process runs reaches no package", () => {
  const roots = [
    ...["child", "zygote", "sandbox", "service", "wire", "runtime", "posix"]
      .flatMap((part) => files(`src/${part}/`)),
    "src/client/writer_role.ts",
    "src/bench/bench_role.ts", // and all that it loads: nothing but us stands between a clock and a socket
  ];
  const reached = new Set(roots);
  for (const file of reached) {
    for (const { to, typeOnly } of importsOf(file)) {
      if (typeOnly) continue;
      if (to.startsWith("node:")) continue; // part of the runtime
      assert.match(to, /^src\/.*\.ts$/, `${file} imports ${to}`);
      reached.add(to);
    }
  }
  assert.ok(reached.size >= roots.length);
});

test("architecture: a role starts on a file of its own, from which none of the server's is reached", () => {
  const roles = Object.entries(ROLES);
  for (const [role, path] of roles) {
    const file = resolve("src/runtime/roles.ts", path);
    assert.match(
      codeOf(file),
      /^if \(import\.meta\.main\) await run\(Deno\.args\);$/m,
      file,
    );
    assert.ok(
      codeOf("main.ts").includes(`"${role}"`),
      `main.ts of an executable does not know ${role}`,
    );
    const reached = new Set([file]);
    for (const one of reached) {
      for (const { to, typeOnly } of importsOf(one)) {
        if (!typeOnly && to.startsWith("src/")) reached.add(to);
      }
    }
    const far = [...reached].filter((one) =>
      ["cli", "server", "model", "main.ts"].includes(partOf(one))
    );
    assert.deepEqual(far, [], `${role} would make Deno read them at its start`);
  }
  assert.ok(roles.length >= 4);
});

test("architecture: metrics are loaded where they are exported, and not before", () => {
  const users = files("src/").filter((file) =>
    importsOf(file).some(({ to }) => to === "@opentelemetry/api")
  );
  assert.deepEqual(users, ["src/cli/serve/metrics.ts"]);
  for (const file of files("src/")) {
    assert.doesNotMatch(
      codeOf(file),
      /^import (?!type )[^;]*"\.[./\w]*\/metrics\.ts"/m,
      file,
    );
  }
});

test("architecture: main.ts and the list of commands name files that there are, and Deno reads none of them ahead", () => {
  for (const file of ["main.ts", "src/cli/programs.ts"]) {
    const code = codeOf(file);
    const ahead = importsOf(file).filter(({ typeOnly }) => !typeOnly);
    assert.deepEqual(
      ahead,
      [],
      `${file} would make Deno read them at its start`,
    );
    const named = [...code.matchAll(/"(\.\/[\w./]+\.ts)"/g)].map(([, path]) =>
      resolve(file, path!)
    ).filter((path) => path !== "src/cli/command.ts"); // a type of it
    assert.ok(named.length >= (file === "main.ts" ? 1 : 5));
    for (const path of named) assert.ok(read(path) !== "", path);
  }
});

test("architecture: what every command reads is what understands which it is, and what ends it", () => {
  const read = new Set(["src/cli/run.ts"]);
  for (const file of read) {
    for (const { to, typeOnly } of importsOf(file)) if (!typeOnly) read.add(to);
  }
  assert.deepEqual(
    [...read].filter((file) => partOf(file) === "cli").sort(),
    ["programs.ts", "run.ts", "serve/telemetry.ts", "terminal.ts"]
      .map((name) => `src/cli/${name}`),
  );
});

test("architecture: modules of Node's are imported where they are needed: a bundle would load them all at its start", () => {
  for (const file of files("src/")) {
    assert.doesNotMatch(
      codeOf(file),
      /^(import|export) (?!type )[^;]*"node:/m,
      file,
    );
  }
});

/** Modules and the style of the page, which a browser runs. */
function ofPage(): string[] {
  const folder = "src/page/web/";
  return [...Deno.readDirSync(new URL(folder, ROOT))].map(({ name }) =>
    folder + name
  );
}

test("architecture: what a browser runs imports the page's own modules alone, and touches no markup", () => {
  const modules = ofPage().filter((file) => file.endsWith(".js"));
  assert.ok(modules.length > 5);
  for (const file of modules) {
    for (const { to } of importsOf(file)) {
      assert.ok(modules.includes(to), `${file} imports ${to}`);
    }
    assert.doesNotMatch(
      codeOf(file),
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/,
      file,
    );
  }
});

test("architecture: no file is over 400 lines", () => {
  for (
    const file of [
      "main.ts",
      ...files(".release/"),
      ...files("src/"),
      ...files("tests/"),
      ...ofPage(),
    ]
  ) {
    const lines = read(file).trimEnd().split("\n").length;
    assert.ok(lines <= 400, `${file} has ${lines} lines`);
  }
});

/**
 * How large src/ may be: lower them when it has become smaller, and raise none without a reason. Anyone counts with
 * `git ls-files 'src/*.ts' | wc -l`, `cat $(git ls-files 'src/*.ts') | wc -l` and
 * `cat $(git ls-files 'src/*.ts') | grep -c '^export '`.
 */
const CEILINGS = { files: 160, lines: 33_250, exports: 800 };

test("architecture: files, lines and exported names of src are no more than they were", () => {
  const texts = files("src/").map(read);
  const count = (pattern: RegExp) =>
    texts.reduce(
      (sum, text) => sum + text.matchAll(pattern).toArray().length,
      0,
    );
  const found = {
    files: texts.length,
    lines: count(/\n/g),
    exports: count(/^export /gm),
  };
  for (const [what, most] of Object.entries(CEILINGS)) {
    const there = found[what as keyof typeof found];
    assert.ok(there <= most, `${there} ${what}, and at most ${most}`);
  }
});

test("architecture: the walk in src/README.md names files that there are, at most 14 in spawn and 20 in fork", () => {
  const [, walk] = read("src/README.md").split("## The walk");
  const steps = walk!.split("## ")[0]!.split(/^ *(?:\d\.|-) /m);
  const most = { spawn: 14, fork: 20 };
  for (const [model, limit] of Object.entries(most)) {
    const others = Object.keys(most).filter((name) => name !== model);
    const named = steps.filter((step) =>
      !others.some((other) => step.startsWith(`In \`${other}\``))
    ).flatMap((step) => step.match(/src\/[\w/]+\.ts/g) ?? []);
    for (const file of named) assert.ok(read(file) !== "", file);
    const { size } = new Set(named);
    assert.ok(size > 10 && size <= limit, `${model}: ${size} files`);
  }
});

test("architecture: no name of a file is there twice, and no name of a type", () => {
  const sources = files("src/");
  const twice = (names: string[]) =>
    names.filter((name, at) => names.indexOf(name) !== at);
  assert.deepEqual(twice(sources.map((file) => file.split("/").at(-1)!)), []);
  const types = sources.flatMap((file) =>
    [
      ...read(file).matchAll(
        /^(?:export )?(?:abstract )?(?:interface|type|class) (\w+)/gm,
      ),
    ].map(([, name]) => name!)
  );
  assert.deepEqual(twice(types), []);
});

test("architecture: no file imports itself, directly or by way of others, not even for a type", () => {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    const at = path.indexOf(file);
    assert.equal(at, -1, [...path.slice(at), file].join(" -> "));
    if (done.has(file)) return;
    for (const { to, isLate } of importsOf(file)) {
      if (!isLate && to.startsWith("src/")) visit(to, [...path, file]);
    }
    done.add(file);
  };
  for (const file of files("src/")) visit(file, []);
});
