import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Compiles with a cache that is empty, from a registry that gives nothing. */
async function compileFrom(
  registry: string,
  cache: string,
): Promise<{ code: number; lines: string[] }> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", ".release/compile.ts"],
    cwd: ROOT,
    env: {
      NPM_CONFIG_REGISTRY: registry,
      DENO_DIR: cache,
      DENO_TLS_CA_STORE: "mozilla",
      NO_COLOR: "1",
    },
    stdin: "null",
    stdout: "null",
  }).output();
  return { code, lines: new TextDecoder().decode(stderr).trim().split("\n") };
}

test("compile: where packages cannot be got, Deno says why, and one line of ours follows", async () => {
  await using cache = temporaryDirectory();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const { code, lines } = await compileFrom(
    `http://127.0.0.1:${port}/`,
    cache.path,
  );
  assert.equal(code, 1);
  assert.ok(lines.some((line) => line.includes(`127.0.0.1:${port}`)), lines[0]);
  assert.equal(
    lines.at(-1),
    "Cannot get the packages: deno install ended with code 1: see above",
  );
});

test(
  "compile: where the registry's certificate is not trusted, it names DENO_TLS_CA_STORE",
  async () => {
    await using directory = temporaryDirectory();
    const { path } = directory;
    const { code: made } = await new Deno.Command("openssl", {
      args: [
        ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"],
        ...["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        ...["-keyout", `${path}/key`, "-out", `${path}/cert`],
      ],
      stderr: "null",
    }).output();
    assert.equal(made, 0);
    using listener = Deno.listenTls({
      hostname: "127.0.0.1",
      port: 0,
      key: Deno.readTextFileSync(`${path}/key`),
      cert: Deno.readTextFileSync(`${path}/cert`),
    });
    const shaking = shakeHands(listener);
    const { code, lines } = await compileFrom(
      `https://127.0.0.1:${listener.addr.port}/`,
      `${path}/cache`,
    );
    listener.close();
    await shaking;
    assert.equal(code, 1);
    assert.equal(
      lines.at(-1),
      `Cannot get the packages: Deno ${Deno.version.deno} does not trust the certificate of the registry or of a proxy before it: set DENO_TLS_CA_STORE=system to trust what this system trusts`,
    );
  },
  { ignore: missing("an untrusted registry", "openssl") },
);

/** Shows its certificate to everybody until it is closed. */
async function shakeHands(listener: Deno.TlsListener): Promise<void> {
  for (;;) {
    try {
      using conn = await listener.accept();
      await conn.handshake();
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) return;
    }
  }
}
