/**
 * A place to install from and one to install to.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { checksumLine, makeArchive } from "../../.release/archive.ts";
import { temporaryDirectory } from "../helpers/testing.ts";

/** The installer of the checkout, which knows neither address nor version. */
export const SCRIPT = fileURLToPath(
  new URL("../../.release/install.sh", import.meta.url),
);
/** The version that is published here. */
export const VERSION = "9.8.7";

const PROGRAM = new TextEncoder().encode("#!/bin/sh\necho version 9.8.7\n");

/** A small version of an archive's content for this system. */
export function archiveFiles(program: Uint8Array = PROGRAM) {
  const data = new TextEncoder().encode("text\n");
  return [
    { name: "bin/mpserv", data: program, executable: true },
    { name: "bin/mpclient", data: program, executable: true },
    { name: "share/man/man1/mpserv.1", data },
    { name: "share/zsh/site-functions/_mpserv", data },
  ];
}

/** A server of files, and a home that is empty. */
export interface Site extends AsyncDisposable {
  /** The published files, by name. */
  readonly files: Map<string, Uint8Array>;
  /** Where. */
  readonly url: string;
  /** The requested paths. */
  readonly asked: string[];
  /** The home. */
  readonly home: string;
}

/** Publishes archives of the same files for some systems. */
export async function publish(
  targets: readonly string[] = [Deno.build.target],
  contents: ReturnType<typeof archiveFiles> = archiveFiles(),
): Promise<Site> {
  const files = new Map<string, Uint8Array>();
  let sums = "";
  for (const target of targets) {
    const name = `mpserv-${VERSION}-${target}`;
    const inside = contents.map((file) => ({
      ...file,
      name: `${name}/${file.name}`,
    }));
    const archive = await makeArchive(inside, new Date(0));
    files.set(`${name}.tar.gz`, archive);
    sums += await checksumLine(`${name}.tar.gz`, archive);
  }
  files.set("SHA256SUMS", new TextEncoder().encode(sums));
  const asked: string[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) => {
      const name = new URL(url).pathname.slice("/files/".length);
      asked.push(name);
      const file = files.get(name) as Uint8Array<ArrayBuffer> | undefined;
      return file ? new Response(file) : new Response(null, { status: 404 });
    },
  );
  const home = temporaryDirectory();
  return {
    files,
    asked,
    url: `http://127.0.0.1:${server.addr.port}/files`,
    home: home.path,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await home[Symbol.asyncDispose]();
    },
  };
}

/** Runs the installer as somebody who has just got it. */
export async function install(
  { home }: Site,
  args: readonly string[],
  options: { script?: string; path?: string } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
    args: [options.script ?? SCRIPT, ...args],
    clearEnv: true,
    env: { HOME: home, PATH: options.path ?? Deno.env.get("PATH")! },
    cwd: home,
    stdin: "null",
    signal: AbortSignal.timeout(60_000),
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  return { code, stdout: out!, stderr: err! };
}

/** Every file below a directory, sorted. */
export function filesBelow(directory: string): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) =>
    isDirectory
      ? filesBelow(`${directory}/${name}`).map((path) => `${name}/${path}`)
      : [name]
  ).sort();
}
