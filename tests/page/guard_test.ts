/** The page answers its own tab alone, and changes nothing. */
import assert from "node:assert/strict";
import { Guard } from "../../src/page/page_server.ts";
import {
  PARTS,
  readDocument,
  readSource,
  SOURCES,
} from "../../src/page/document.ts";
import { STEPS } from "../../src/page/web/steps.js";
import { controlled } from "../control/helpers.ts";
import { runCommand } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import {
  exists,
  temporaryDirectory,
  test,
  until,
  within,
} from "../helpers/testing.ts";
import { hold } from "../helpers/wire_client.ts";
import { missing } from "../helpers/tools.ts";
import { TestPage } from "./helpers.ts";

/** A server's answer to a raw request. */
async function raw(port: number, request: string): Promise<string> {
  using conn = await Deno.connect({ port });
  await conn.write(new TextEncoder().encode(
    `${request.replaceAll("\n", "\r\n")}\r\nConnection: close\r\n\r\n`,
  ));
  return await new Response(conn.readable).text().catch(() => "");
}

test("page: who has another key, host or origin gets nothing", async () => {
  await using server = await startServer();
  await using shown = await TestPage.of(server);
  const { pathname, host, port, origin } = new URL(shown.url);
  const ask = (lines: string) => raw(Number(port), lines);
  const good = `GET ${pathname} HTTP/1.1\nHost: ${host}`;
  const page = await ask(good);
  assert.match(page, /^HTTP\/1\.1 200 /);
  assert.match(page, /\r\ncontent-security-policy: default-src 'none'; /i);
  assert.match(await ask(`${good}\nOrigin: ${origin}`), /^HTTP\/1\.1 200 /);
  const wrong = pathname.replace(
    /^\/./,
    (start) => start === "/0" ? "/1" : "/0",
  );
  for (
    const request of [
      `GET / HTTP/1.1\nHost: ${host}`,
      `GET ${wrong} HTTP/1.1\nHost: ${host}`,
      `GET ${wrong}live HTTP/1.1\nHost: ${host}`,
      `GET ${pathname.slice(0, -2)}/ HTTP/1.1\nHost: ${host}`,
      `GET ${pathname.slice(0, -1)} HTTP/1.1\nHost: ${host}`,
      `GET ${pathname}source/../../../etc/passwd HTTP/1.1\nHost: ${host}`,
      `GET ${pathname}source/deno.json HTTP/1.1\nHost: ${host}`,
      `GET ${pathname} HTTP/1.1\nHost: example.org:${port}`,
      `GET ${pathname}live HTTP/1.1\nHost: example.org`,
      `${good}\nOrigin: http://example.org`,
      `${good}\nOrigin: null`,
      `${good}\nSec-Fetch-Site: cross-site`,
      `POST ${pathname} HTTP/1.1\nHost: ${host}\nContent-Length: 0`,
      `PUT ${pathname}live HTTP/1.1\nHost: ${host}\nContent-Length: 0`,
    ]
  ) {
    const answer = await ask(request);
    assert.match(answer, /^HTTP\/1\.1 4\d\d [^]*\r\n\r\n$/, request);
    assert.doesNotMatch(answer, /mpserv/i);
  }
  for (
    const body of [
      "",
      "null",
      '{"delay":501,"lines":1}',
      '{"delay":0,"lines":1e9}',
    ]
  ) {
    const answer = await ask(
      `POST ${pathname}measure HTTP/1.1\nHost: ${host}\nContent-Length: ${body.length}\nX: y\n\n${body}`,
    );
    assert.match(answer, /^HTTP\/1\.1 400 /, body);
  }
});

test("page: another user's request gets nothing", async () => {
  await using server = await startServer();
  await using shown = await TestPage.of(server);
  const status = [
    "curl",
    "-s",
    "-o",
    "/dev/null",
    "-w",
    "%{http_code}",
    shown.url,
  ];
  const through = async ([program, ...args]: string[]) => {
    const { stdout } = await new Deno.Command(program!, { args }).output();
    return new TextDecoder().decode(stdout);
  };
  assert.equal(await through(status), "200");
  const stranger = ["setpriv", "--reuid", "65534", "--clear-groups"];
  assert.equal(await through([...stranger, ...status]), "404");
}, {
  ignore: Deno.uid() !== 0 || missing("another user's page", "curl", "setpriv"),
});

test("page: a key is another one each time, and is looked for in constant time", () => {
  const guard = new Guard();
  assert.match(guard.key, /^[0-9a-f]{32}$/);
  assert.notEqual(guard.key, new Guard().key);
});

test("page: the document is one file that asks for nothing, and runs what it has alone", async () => {
  const { html, policy } = await readDocument();
  const text = new TextDecoder().decode(html);
  assert.ok(PARTS.length > 5);
  assert.doesNotMatch(text, /^import |^export /m);
  assert.doesNotMatch(text, /<(link|img|iframe)[^>]+(src|href)="(?!data:)/);
  assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|\beval\b/);
  assert.doesNotMatch(policy, /unsafe|\*/);
});

test("page: every step leads to a file of ours that is served", async () => {
  for (const [kind, [, , , source]] of Object.entries(STEPS)) {
    assert.ok(SOURCES.includes(source!), `${kind}: ${source}`);
  }
  for (const source of SOURCES) {
    assert.ok((await readSource(`/source/${source}`))!.length > 100, source);
  }
  assert.equal(await readSource("/source/deno.json"), null);
});

test("mpserv page: a server that is not there, and a port that is taken, are said in one line", async () => {
  const nobody = await runCommand(["page", "1"]);
  assert.equal(nobody.code, 1);
  assert.match(
    nobody.stderr,
    /^error: Cannot find a server on port 1:[^\n]*\n$/,
  );
  await using server = await startServer();
  await controlled(server.controlPath);
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String(taken.addr.port);
  const { code, stdout, stderr } = await runCommand([
    ...["page", String(server.port), "--port", port],
  ]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^error: Cannot serve the page on port \d+: [^\n]+\n$/);
});

test("page: README.md shows a picture of it, which is small", () => {
  const root = new URL("../../", import.meta.url);
  const readme = Deno.readTextFileSync(new URL("README.md", root));
  const [, picture] = /!\[[^\]]+\]\(([^)]+\.png)\)/.exec(readme)!;
  assert.ok(Deno.statSync(new URL(picture!, root)).size < 150_000);
});

test("mpserv page --open: opens its address in a browser, and goes on where there is none", async () => {
  await using directory = temporaryDirectory();
  const asked = `${directory.path}/asked`;
  const program = Deno.build.os === "darwin" ? "open" : "xdg-open";
  Deno.writeTextFileSync(
    `${directory.path}/${program}`,
    `#!/bin/sh\nprintf %s "$1" >"${asked}.new" && mv "${asked}.new" "${asked}"\n`,
    { mode: 0o755 },
  );
  await using server = await startServer();
  const PATH = Deno.env.get("PATH")!;
  for (const path of [`${directory.path}:${PATH}`, "/nowhere"]) {
    await using shown = await TestPage.of(server, ["--open"], { PATH: path });
    const response = await fetch(shown.url);
    await response.body!.cancel();
    assert.equal(response.status, 200);
    if (path === "/nowhere") continue;
    await until("the browser is asked", () => exists(asked));
    assert.equal(Deno.readTextFileSync(asked), shown.url);
  }
});

test("page: a tab that is closed leaves nothing behind, and one that reads nothing slows nobody", async () => {
  await using server = await startServer({ model: "fork" }); // there connections cost least
  await using shown = await TestPage.of(server);
  // The server lets eight follow it: each of these is gone before the next but a few has come.
  for (let tab = 0; tab < 12; tab++) {
    await until(`tab ${tab} is told what happens`, async () => {
      const response = await fetch(`${shown.url}live`);
      const reader = response.body!.pipeThrough(new TextDecoderStream())
        .getReader();
      let text = "";
      while (!text.includes("event: look")) {
        const { value, done } = await within("a look", reader.read());
        if (done) break;
        text += value;
      }
      await reader.cancel();
      return text.includes("event: began");
    });
  }
  const deaf = await fetch(`${shown.url}live`);
  for (let i = 0; i < 20; i++) (await hold(server.port)).close();
  await server.log.waitForCount("client disconnected...", 20);
  await deaf.body!.cancel();
});
