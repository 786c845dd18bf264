/** What the page knows of servers, processes and connections. It draws nothing, and its size has a limit. */
import { stepsOf } from "./steps.js";

/** Connections that are remembered: enough for a list, few enough for a browser that is open all day. */
const MOST_CONNECTIONS = 400;
const MOST_LOGGED = 100;
/** How long after events were left out it is still a flood, in milliseconds. */
const FLOOD = 1000;

/** Reasons of an end that are worth a line of the log. */
const BAD_ENDS = ["killed", "error", "program"];

/** One connection. */
class Connection {
  marks = [];
  peer = "";
  pid = 0;
  handedTo = 0;
  reason = "";
  isOver = false;
  /** Its end was skipped: it is not there any more, and nobody said how it ended. */
  isLost = false;
  /** Whether a look has found that the client has ended its side. */
  isHalfClosed = false;
  /** Whether a look told of it, and not its events. */
  isMet = false;
  /** How many looks in a row did not list it. */
  missing = 0;
  in = null;
  out = null;
  age = 0;
  #steps = null;

  constructor(key, id, server) {
    this.key = key;
    this.id = id;
    this.server = server;
    this.isPool = server.model === "pool";
    this.hasZygote = server.model === "fork";
  }

  /** One more thing happened to it. What a look said of it gives way to its events, which begin with this one. */
  add(mark) {
    if (mark.event === "accepted") this.marks = [];
    if (mark.event === "half-closed") {
      this.marks = this.marks.filter(({ isSeen }) => !isSeen);
    }
    this.marks.push(mark);
    this.#steps = null;
  }

  /** A look found that the client has ended its side: whoever serves may say so later, or never. */
  seeHalfClose(at) {
    if (this.isOver || this.isHalfClosed) return;
    this.isHalfClosed = true;
    this.add({ event: "half-closed", at, id: this.id, isSeen: true });
  }

  get steps() {
    return this.#steps ??= stepsOf(this);
  }

  /** The last thing that happened. */
  get last() {
    return this.marks.at(-1);
  }

  /** Whether nothing more will happen. */
  get isGone() {
    const { event } = this.last;
    return event === "reaped" || event === "refused" || this.isLost ||
      this.server.hasEnded || (this.isOver && this.isPool);
  }

  /** How long it lasted, in microseconds; null while it goes on. */
  get duration() {
    return this.isOver ? this.last.at - this.marks[0].at : null;
  }
}

/** All of it. */
export class World {
  /** Servers by pid; more than one around a take-over. */
  servers = new Map();
  /** The one that accepts. */
  current = null;
  connections = new Map();
  log = [];
  skipped = 0;
  /** How many connections there have been. */
  met = 0;
  /** Grows with each thing that happens. */
  version = 0;
  /** Whether no server is there. */
  isAlone = true;
  #byProcess = new Map();
  #refusals = 0;
  #refusal = "";
  #skippedAt = -Infinity;

  /** A server is followed from here on; `at` on its clock was `time` on the person's. */
  began({ pid, at, time }) {
    const server = this.#server(pid);
    server.clock = time - at / 1e3;
    this.isAlone = false;
    this.#refusal = "";
    this.#note("began", server, { pid }, at);
  }

  /** How a server is, with its processes and connections. */
  look({ status, processes, connections, waiting }) {
    const server = this.#server(status.pid);
    const { model } = status;
    Object.assign(server, { status, processes, model, waiting });
    this.current = server;
    this.isAlone = false;
    const listed = new Set(connections.map(({ id }) => id));
    this.#loseMissing(server, listed);
    for (const row of connections) {
      const known = this.connections.get(`${status.pid}:${row.id}`) ??
        this.#meet(server, row);
      Object.assign(known, { in: row.in, out: row.out, age: row.age });
      if (row.halfClosed) {
        known.seeHalfClose(1e3 * (Date.now() - server.clock));
      }
    }
    this.version++;
  }

  /** Events of a server. */
  events({ pid, events }) {
    const server = this.#server(pid);
    for (const event of events) this.#event(server, event);
    this.version++;
    this.#forget();
  }

  /** A server has ended. */
  ended({ pid }) {
    const server = this.#server(pid);
    server.hasEnded = true;
    server.processes = [];
    for (const connection of this.connections.values()) {
      if (connection.server === server && !connection.isOver) {
        this.#close(connection, "?");
      }
    }
    this.#note("ended", server, { pid }, null);
    this.servers.delete(pid);
    this.version++;
  }

  /** The server tells no events: it is asked again and again, and it is said once. */
  refused({ why }) {
    if (this.#refusal === why) return;
    this.#refusal = why;
    this.log.push({ kind: "trouble", values: { what: why }, time: Date.now() });
    this.version++;
  }

  /** Whether more happens than the page is told; `now` as `performance.now()`. */
  isFlooded(now) {
    return now - this.#skippedAt < FLOOD;
  }

  /** Nobody is there. */
  gone() {
    this.isAlone = true;
    this.version++;
  }

  #server(pid) {
    let server = this.servers.get(pid);
    if (!server) {
      server = { pid, clock: 0, processes: [], status: null, model: "" };
      this.servers.set(pid, server);
    }
    return server;
  }

  #event(server, event) {
    if (event.event === "reaped" && event.role === "connection") {
      return this.#reaped(server, event);
    }
    if ("id" in event) return this.#ofConnection(server, event);
    switch (event.event) {
      case "refused": {
        this.met++;
        const refusal = new Connection(
          `${server.pid}:r${++this.#refusals}`,
          0,
          server,
        );
        const accepted = { event: "accepted", at: event.at, peer: event.peer };
        refusal.peer = event.peer;
        refusal.add(accepted);
        refusal.add(event);
        this.#close(refusal, event.reason);
        this.connections.set(refusal.key, refusal);
        return this.#note("refused", server, event, event.at);
      }
      case "skipped":
        return this.#skip(server, event);
      case "started":
        if (event.role === "connection") return;
        break;
      case "reaped":
        event.how = event.signal ?? `exit ${event.code}`;
        break;
      case "taken-over":
      case "draining":
        server.isDraining = true;
    }
    this.#note(event.event, server, event, event.at);
  }

  /** One line of the log is enough for a flood. */
  #skip(server, event) {
    this.skipped += event.count;
    this.#skippedAt = performance.now();
    const last = this.log.at(-1);
    if (last?.kind !== "skipped") {
      return this.#note("skipped", server, event, event.at);
    }
    const count = last.values.count + event.count;
    this.log[this.log.length - 1] = { ...last, values: { ...event, count } };
  }

  #ofConnection(server, event) {
    const key = `${server.pid}:${event.id}`;
    let connection = this.connections.get(key);
    if (!connection) {
      this.met++;
      connection = new Connection(key, event.id, server);
      this.connections.set(key, connection);
    }
    if (event.peer) connection.peer = event.peer;
    connection.add(event);
    switch (event.event) {
      case "handed":
        connection.handedTo = event.pid;
        break;
      case "returned":
        this.#note("returned", server, event, event.at);
        break;
      case "took":
        connection.pid = event.pid;
        this.#byProcess.set(event.pid, connection);
        break;
      case "done": {
        const { reason, text } = event;
        connection.in = event.in ?? connection.in;
        connection.out = event.out ?? connection.out;
        this.#close(connection, text ? `${reason}: ${text}` : reason);
        if (BAD_ENDS.includes(reason)) {
          const words = { id: event.id, reason: connection.reason };
          this.#note("killed", server, words, event.at);
        }
        break;
      }
      case "refused":
        this.#close(connection, event.why ?? event.reason);
        this.#note("refused", server, event, event.at);
    }
  }

  /** A connection that was there before the page. */
  #meet(server, { id, peer, pid, age }) {
    this.met++;
    const connection = new Connection(`${server.pid}:${id}`, id, server);
    const at = 1e3 * (Date.now() - age - server.clock);
    connection.peer = peer;
    connection.isMet = true;
    connection.add({ event: "accepted", at, id, peer });
    if (pid > 0) {
      connection.pid = pid;
      connection.add({ event: "took", at, heard: at, id, pid });
      this.#byProcess.set(pid, connection);
    }
    this.connections.set(connection.key, connection);
    return connection;
  }

  /**
   * Of what was skipped there may be ends, and a look may tell of what was forgotten. One look may be older than the
   * last event.
   */
  #loseMissing(server, listed) {
    for (const connection of this.connections.values()) {
      if (connection.server !== server || connection.isOver) continue;
      if (this.skipped === 0 && !connection.isMet) continue;
      connection.missing = listed.has(connection.id)
        ? 0
        : connection.missing + 1;
      if (connection.missing < 3) continue;
      connection.isLost = true;
      this.#close(connection, "?");
    }
  }

  #close(connection, reason) {
    connection.isOver = true;
    connection.reason = reason;
  }

  #reaped(server, event) {
    const connection = this.#byProcess.get(event.pid);
    this.#byProcess.delete(event.pid);
    server.processes = server.processes.filter(({ pid }) => pid !== event.pid);
    if (connection?.isOver && !connection.isPool) connection.add(event);
  }

  #note(kind, server, values, at) {
    const time = at === null ? Date.now() : server.clock + at / 1e3;
    this.log.push({ kind, values, time });
    if (this.log.length > MOST_LOGGED) this.log.shift();
  }

  /** The oldest that are over make room. */
  #forget() {
    let over = this.connections.size - MOST_CONNECTIONS;
    for (const [key, { isOver }] of this.connections) {
      if (over <= 0) return;
      if (!isOver && over < MOST_CONNECTIONS) continue;
      this.connections.delete(key);
      over--;
    }
  }
}
