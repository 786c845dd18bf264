/** What stands in the boxes of the stage. */
import { say, showBytes, showTime } from "./text.js";

/** A connection as it is shown, some steps behind what has happened. */
export class Player {
  constructor(connection, shown, now) {
    this.connection = connection;
    this.shown = shown;
    this.since = now;
  }

  get step() {
    return this.connection.steps[this.shown - 1];
  }

  get isAtEnd() {
    return this.shown >= this.connection.steps.length;
  }

  /** Whether a step of that kind has been shown. */
  hasShown(...kinds) {
    return this.connection.steps.slice(0, this.shown)
      .some(({ kind }) => kinds.includes(kind));
  }

  /** Whether its process is there to be seen. */
  get hasProcess() {
    return this.hasShown("fork", "took") ||
      (!this.connection.hasZygote && this.hasShown("hand"));
  }

  /** Whether the parent has it. */
  get isHeld() {
    return this.hasShown("accept") && !this.hasShown("close", "refused");
  }
}

/** What a server is, and which connections it holds a copy of. */
export function parentBox(server, players) {
  const held = players.filter(({ connection, isHeld }) =>
    connection.server === server && isHeld
  ).map(({ connection: { id } }) => id === 0 ? "–" : `#${id}`);
  const { status } = server;
  const lines = [String(server.pid)];
  if (server.isDraining) lines.push(say("states.drains"));
  else if (status) {
    lines.push(
      say("listener", { address: status.address }),
      say("backlog", { waiting: server.waiting ?? status.waiting }),
    );
  }
  lines.push(
    held.length > 0
      ? say("holds", { ids: held.slice(0, 4).join(" ") })
      : say("holdsNone"),
  );
  const kind = server.isDraining ? "parent drains" : "parent";
  return { key: `p${server.pid}`, lines, kind };
}

/** The processes that serve, or wait to, as far as they have been shown. */
export function childBoxes(world, players) {
  const boxes = [];
  const byPid = new Map();
  for (const player of players) {
    const { connection } = player;
    const pid = connection.pid ||
      (connection.hasZygote ? 0 : connection.handedTo);
    if (pid > 0) byPid.set(pid, player);
  }
  const add = (pid, state, connection, more = []) =>
    boxes.push({
      key: `p${pid}`,
      lines: [String(pid), state, ...more],
      kind: connection ? "child busy" : "child",
      connection,
    });
  const there = new Set();
  for (const { processes } of world.servers.values()) {
    for (const { pid, role, state, connection } of processes) {
      if (role !== "connection" || pid === 0) continue;
      there.add(pid);
      if (byPid.has(pid)) continue;
      const id = `#${connection}`;
      add(pid, say(`states.${state}`, { id }), null);
    }
  }
  for (const [pid, player] of byPid) {
    const { connection } = player;
    const isPool = connection.isPool;
    if (!player.hasProcess) {
      if (!connection.hasZygote && there.has(pid)) {
        add(pid, say("states.ready"), null);
      }
      continue;
    }
    const { kind } = player.step;
    const words = player.connection.steps[player.shown - 1].values;
    if (isPool && kind === "again") {
      add(pid, say("states.ready"), null);
      continue;
    }
    const id = `#${connection.id}`;
    const state = ["took", "serve", "close", "half"].includes(kind)
      ? say("states.serving", { id })
      : `${id} ${say(`steps.${kind}.0`)}${
        kind === "reap" ? `: ${words.how}` : ""
      }`;
    const bytes = say("bytes", {
      in: showBytes(connection.in),
      out: showBytes(connection.out),
    });
    const age = connection.isOver ? [] : [showTime(1e3 * connection.age)];
    add(pid, state, connection, [bytes, ...age]);
  }
  return boxes;
}
