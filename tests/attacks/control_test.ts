/** Processes that serve ask their own server over its control socket: for its listener, to end others, to drain. */
import assert from "node:assert/strict";
import type { Status } from "../../src/control/protocol.ts";
import { controlled, controlPath, json } from "../control/helpers.ts";
import { handlerFile } from "../helpers/handler_file.ts";
import { notRewound } from "../helpers/models.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import {
  connect,
  hold,
  receiveAll,
  roundTrip,
  send,
} from "../helpers/wire_client.ts";
import { programModels } from "../service/program_models.ts";

/** Ways to look as if one were none of the server's: each ends with a connection in $s. */
const DISGUISES: Readonly<Record<string, string>> = {
  "itself": "open_it();",
  // Twice forked, in a session of its own, after its parents have gone.
  "a daemon": `
    fork and POSIX::_exit(0); POSIX::setsid(); fork and POSIX::_exit(0);
    select undef, undef, undef, 0.01 while getppid() == $parent;
    open_it();`,
  // The process that the kernel noted has gone before the server looks.
  "what was started by one that has gone": `
    open_it(); fork and POSIX::_exit(0);
    select undef, undef, undef, 0.01 while getppid() == $parent;`,
  // The same, but its number stays taken.
  "what was started by one that nobody reaps": `
    pipe(my $r, my $w);
    if (fork) { close $w; close STDIN; close STDOUT; sysread $r, my $end, 1; POSIX::_exit(0); }
    $parent = $$; open_it(); fork and POSIX::_exit(0);`,
  // It has lost the mark of its connection.
  "one of another mark": `
    my $limit = pack "q q", 4242, -1;
    syscall((POSIX::uname())[4] eq 'aarch64' ? 164 : 160, 10, $limit) and die $!; # setrlimit
    open_it();`,
};

/** Reads the path of the socket and the number of a disguise, asks there, and says what came. */
function attack(): string[] {
  const ways = Object.values(DISGUISES).map((way) => `sub { ${way} }`);
  const script = `
    use strict; use IO::Socket::UNIX; our ($s, $path); my $parent = $$;
    chomp($path = <STDIN>);
    chomp(my $way = <STDIN>);
    sub open_it { $s = IO::Socket::UNIX->new(Peer => $path) or die "no socket: $!"; }
    (${ways.join(",\n")})[$way]->();
    $SIG{PIPE} = 'IGNORE';
    $s->syswrite(qq({"command":"listener"}\\n));
    my $n = $s->sysread(my $answer, 65536);
    syswrite STDOUT, $n ? "got $answer" : "hung up\\n";
    POSIX::_exit(0);`;
  return ["perl", "-MPOSIX", "-e", script];
}

/** Checks that the request of a serving process fails, and that it harms nobody. */
async function assertHungUp(server: TestServer, way?: number): Promise<void> {
  const path = await controlled(controlPath(server));
  using attacker = await connect(server.port);
  await send(attacker, new TextEncoder().encode(`${path}\n`));
  if (way !== undefined) {
    await send(attacker, new TextEncoder().encode(`${way}\n`));
  }
  const said = new TextDecoder().decode(await receiveAll(attacker));
  assert.equal(said, "hung up\n", `way ${way}`);
  const { state } = await json<Status>(["status", path]);
  assert.equal(state, "serving", "others are heard");
  assert.equal(server.log.where(/take over/).length, 0);
}

for (const model of programModels()) {
  test(
    `attack, control socket (${model}): a program that asks is hung up on, whoever it looks like`,
    async () => {
      await using server = await startServer({
        model,
        args: ["--sandbox", "off", "--", ...attack()],
      });
      for (const way of Object.keys(DISGUISES).keys()) {
        await assertHungUp(server, way);
      }
    },
    { ignore: missing("attack, control socket", "perl") },
  );
}

for (const model of models()) {
  test(`attack, control socket (${model}): a handler that asks is hung up on`, async () => {
    await using server = await startServer({
      model,
      args: [
        ...["--sandbox", "off", ...notRewound(model)],
        ...["read", "write", "net"].flatMap((grant) => ["--grant", grant]),
        "--handler",
        await handlerFile("handlers/asks.ts", import.meta.url),
      ],
    });
    await assertHungUp(server);
  });
}

test("attack, control socket: whoever is none of the server's takes over as before", async () => {
  await using server = await startServer();
  using held = await hold(server.port);
  await controlled(controlPath(server));
  await using next = await startServer({
    port: `${server.port}`,
    args: ["--take-over"],
  });
  await next.log.waitFor("taken over");
  assert.equal(await roundTrip(held), "hello");
});
