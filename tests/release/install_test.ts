import assert from "node:assert/strict";
import { fillInstaller } from "../../.release/installer.ts";
import { test, until } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import {
  archiveFiles,
  filesBelow,
  install,
  publish,
  SCRIPT,
  type Site,
  VERSION,
} from "./installing.ts";

const ignore = missing("install.sh", "curl", "tar");
const ARCHIVE = `mpserv-${VERSION}-${Deno.build.target}.tar.gz`;

function words({ url }: Site): string[] {
  return ["--from", url, "--version", VERSION];
}

/** Puts programs of ours before those of the system. */
async function withPrograms(
  { home }: Site,
  programs: Readonly<Record<string, string>>,
): Promise<string> {
  await Deno.mkdir(`${home}/stubs`);
  for (const [name, script] of Object.entries(programs)) {
    const path = `${home}/stubs/${name}`;
    await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return `${home}/stubs:${Deno.env.get("PATH")}`;
}

test(
  "install.sh: puts the executables, pages and completions below ~/.local, and asks nobody for root",
  async () => {
    await using site = await publish();
    const ask = `echo "$0" >> "${site.home}/asked"`;
    const path = await withPrograms(site, { sudo: ask, su: ask, doas: ask });
    const { code, stdout, stderr } = await install(site, words(site), { path });
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      /installed .*\/\.local\/bin\/mpserv and .*version 9\.8\.7/,
    );
    assert.match(stderr, /is not on PATH/);
    assert.deepEqual(filesBelow(`${site.home}/.local`), [
      "bin/mpclient",
      "bin/mpserv",
      "share/man/man1/mpserv.1",
      "share/zsh/site-functions/_mpserv",
    ]);
    const { mode } = await Deno.stat(`${site.home}/.local/bin/mpserv`);
    assert.equal(mode! & 0o777, 0o755);
    assert.ok(!filesBelow(site.home).includes("asked"));
  },
  { ignore },
);

test(
  "install.sh: refuses an archive that was tampered with, and installs nothing",
  async () => {
    await using site = await publish();
    const archive = site.files.get(ARCHIVE)!;
    archive[archive.length - 5]! ^= 1;
    const { code, stderr } = await install(site, words(site));
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^install\.sh: mpserv-.* has a wrong checksum: SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}: nothing was installed\n$/,
    );
    assert.deepEqual(filesBelow(site.home), []);
  },
  { ignore },
);

test(
  "install.sh: refuses an archive that nobody published a checksum for",
  async () => {
    await using site = await publish();
    site.files.set(
      "SHA256SUMS",
      new TextEncoder().encode(`${"0".repeat(64)}  other.tar.gz\n`),
    );
    const { code, stderr } = await install(site, words(site));
    assert.equal(code, 1);
    assert.match(stderr, /has no line for mpserv-/);
    assert.deepEqual(filesBelow(site.home), []);
  },
  { ignore },
);

test("install.sh: says what it could not download", async () => {
  await using site = await publish([]);
  const { code, stderr } = await install(site, words(site));
  assert.equal(code, 1);
  assert.ok(stderr.includes(`cannot download ${site.url}/${ARCHIVE}`), stderr);
  assert.deepEqual(filesBelow(site.home), []);
}, { ignore });

test("install.sh: installs nothing that does not run here", async () => {
  const broken = new TextEncoder().encode("#!/bin/sh\nexit 127\n");
  await using site = await publish(undefined, archiveFiles(broken));
  const { code, stderr } = await install(site, words(site));
  assert.equal(code, 1);
  assert.match(stderr, /mpserv does not run here/);
  assert.deepEqual(filesBelow(site.home), []);
}, { ignore });

test("install.sh: takes the place of executables that run", async () => {
  const sleep = await Deno.readFile("/bin/sleep");
  await using site = await publish(undefined, archiveFiles(sleep));
  assert.equal((await install(site, words(site))).code, 0);
  const program = `${site.home}/.local/bin/mpserv`;
  const running = new Deno.Command(program, { args: ["60"] }).spawn();
  await until(
    "the program runs",
    () =>
      Deno.readLinkSync(`/proc/${running.pid}/exe`) ===
        Deno.realPathSync(program),
  );
  const { code, stderr } = await install(site, words(site));
  running.kill("SIGKILL");
  await running.status;
  assert.equal(code, 0, stderr);
}, { ignore: ignore || Deno.build.os !== "linux" });

for (
  const [system, machine, target, translated = "0"] of [
    ["Linux", "x86_64", "x86_64-unknown-linux-gnu"],
    ["Linux", "aarch64", "aarch64-unknown-linux-gnu"],
    ["Darwin", "x86_64", "x86_64-apple-darwin"],
    ["Darwin", "arm64", "aarch64-apple-darwin"],
    ["Darwin", "x86_64", "aarch64-apple-darwin", "1"],
  ] as const
) {
  test(
    `install.sh: takes ${target} on ${system} ${machine}${
      translated === "1" ? ", translated" : ""
    }`,
    async () => {
      await using site = await publish([target]);
      const path = await withPrograms(site, {
        uname: `case $1 in -s) echo ${system} ;; -m) echo ${machine} ;; esac`,
        sysctl: `echo ${translated}`,
      });
      const { code, stderr } = await install(site, words(site), { path });
      assert.equal(code, 0, stderr);
      assert.ok(site.asked.includes(`mpserv-${VERSION}-${target}.tar.gz`));
    },
    { ignore },
  );
}

test("install.sh: refuses other systems and processors", async () => {
  await using site = await publish();
  const path = await withPrograms(site, {
    uname: "case $1 in -s) echo FreeBSD ;; -m) echo x86_64 ;; esac",
  });
  const system = await install(site, words(site), { path });
  assert.equal(system.code, 1);
  assert.match(system.stderr, /no mpserv for "FreeBSD": only Linux and macOS/);
  await Deno.writeTextFile(
    `${site.home}/stubs/uname`,
    "#!/bin/sh\necho riscv64\n",
  );
  const machine = await install(site, words(site), { path });
  assert.equal(machine.code, 1);
  assert.match(machine.stderr, /no mpserv for the processor "riscv64"/);
  assert.deepEqual(site.asked, []);
}, { ignore });

test(
  "install.sh: says what it needs to know, as published it knows",
  async () => {
    await using site = await publish();
    for (
      const [args, message] of [
        [[], /give --from URL/],
        [["--from", site.url], /give --version X\.Y\.Z/],
        [["--from"], /--from needs a value/],
        [["--root"], /unknown option "--root"/],
      ] as const
    ) {
      const { code, stderr } = await install(site, args);
      assert.equal(code, 2);
      assert.match(stderr, message);
      assert.match(stderr, /^usage: /m);
    }
    const script = `${site.home}/install.sh`;
    const filled = await fillInstaller({
      version: VERSION,
      url: `${site.url}/`,
    });
    await Deno.writeFile(script, filled);
    const { code, stderr } = await install(site, [
      "--prefix",
      `${site.home}/else where`,
    ], { script });
    assert.equal(code, 0, stderr);
    assert.ok(filesBelow(`${site.home}/else where`).includes("bin/mpclient"));
  },
  { ignore },
);

test("install.sh: an address that a shell would read as more is refused when it is filled in", async () => {
  for (
    const url of [
      "https://x.org/$(id)",
      "https://x.org/a b",
      "ftp://x.org",
      "x",
    ]
  ) {
    await assert.rejects(
      fillInstaller({ version: VERSION, url }),
      /Cannot use the address/,
    );
  }
});

test("install.sh: downloads with wget where there is no curl", async () => {
  await using site = await publish();
  const path = await withPrograms(site, {});
  const tools =
    "sh uname mktemp cut awk dirname cp chmod mv mkdir find tar gzip rm cat sha256sum wget";
  for (const name of tools.split(" ")) {
    const found = path.split(":").map((directory) => `${directory}/${name}`)
      .find((file) => {
        try {
          return Deno.statSync(file).isFile;
        } catch {
          return false;
        }
      });
    await Deno.symlink(found!, `${site.home}/stubs/${name}`);
  }
  const { code, stderr } = await install(site, words(site), {
    path: `${site.home}/stubs`,
  });
  assert.equal(code, 0, stderr);
}, {
  ignore: ignore || missing("install.sh without curl", "wget", "sha256sum"),
});

test("install.sh: is clean to shellcheck as POSIX sh", async () => {
  const { code, stdout } = await new Deno.Command("shellcheck", {
    args: ["--shell=sh", SCRIPT],
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stdout));
}, { ignore: missing("shellcheck of install.sh", "shellcheck") });
