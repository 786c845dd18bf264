/** The way of a connection as steps: who does what to whom, by which system call, and where that is written. */

const MAN = "https://man7.org/linux/man-pages";

/** Of each step: its system call, the same where there is little room, the manual page, and our source. */
export const STEPS = {
  accept: ["accept4(2)", "accept4", "man2/accept.2", "src/server/acceptor.ts"],
  hand: [
    "sendmsg(2) SCM_RIGHTS",
    "SCM_RIGHTS",
    "man7/unix.7",
    "src/posix/net/handover.ts",
  ],
  returned: ["recvmsg(2) = 0", "end", "man2/recv.2", "src/model/queue.ts"],
  fork: ["fork(2)", "fork", "man2/fork.2", "src/zygote/zygote_role.ts"],
  took: ["sendmsg(2) “took”", "“took”", "man2/send.2", "src/wire/tell.ts"],
  close: ["close(2)", "close", "man2/close.2", "src/server/connections.ts"],
  serve: [
    "read(2) write(2)",
    "read, write",
    "man2/read.2",
    "src/service/echo.ts",
  ],
  half: [
    "read(2) = 0",
    "read = 0",
    "man2/shutdown.2",
    "src/child/connection.ts",
  ],
  done: [
    "sendmsg(2) “done”",
    "“done”",
    "man2/send.2",
    "src/child/serve_one.ts",
  ],
  killed: ["SIGKILL", "SIGKILL", "man7/signal.7", "src/model/workers.ts"],
  exit: ["_exit(2)", "_exit", "man2/_exit.2", "src/posix/forking.ts"],
  again: ["recvmsg(2)", "recvmsg", "man2/recv.2", "src/child/serve_one.ts"],
  reap: ["waitpid(2)", "waitpid", "man2/waitpid.2", "src/posix/forking.ts"],
  refused: ["close(2)", "close", "man2/close.2", "src/server/gate.ts"],
};

/** Where to read about a step. */
export function linksOf(kind) {
  const [call, short, page, source] = STEPS[kind];
  return { call, short, manual: `${MAN}/${page}.html`, source };
}

/**
 * The steps of a connection so far, in the order of their times. `from` and `to` are lanes, the same twice for what
 * a process does by itself; `until` is when it had arrived; `isMeasured` is false where nobody took the time.
 */
export function stepsOf(connection) {
  const steps = [];
  const { hasZygote, isPool } = connection;
  const target = hasZygote ? "zygote" : "child";
  const add = (kind, at, from, to = from, more = {}) =>
    steps.push({ kind, at, until: at, from, to, values: {}, ...more });
  const marks = connection.marks;
  marks.forEach((mark, i) => {
    const next = marks[i + 1]?.at ?? mark.at;
    switch (mark.event) {
      case "accepted":
        return add("accept", mark.at, "client", "parent");
      case "handed":
        return add("hand", mark.at, "parent", target, {
          until: next,
          pid: mark.pid,
        });
      case "returned":
        return add("returned", mark.at, target, "parent");
      case "forked":
        return add("fork", mark.at, "zygote", "child", {
          until: next,
          pid: mark.pid,
        });
      case "took":
        add("took", mark.at, "child", "parent", { until: mark.heard });
        add("serve", mark.at, "client", "child", { isBoth: true });
        return add("close", mark.heard, "parent");
      case "half-closed":
        return add("half", mark.at, "client", "child", {
          isMeasured: mark.isSeen !== true,
        });
      case "done": {
        const reason = mark.text ? `${mark.reason}: ${mark.text}` : mark.reason;
        const values = { reason };
        if (mark.reason === "killed") {
          return add("killed", mark.at, "child", "child", { values });
        }
        const until = mark.heard;
        add("done", mark.at, "child", "parent", { values, until });
        return add(isPool ? "again" : "exit", mark.at, "child", "child", {
          isMeasured: false,
        });
      }
      case "refused":
        return add("refused", mark.at, "parent", "client", {
          values: {
            reason: mark.why ? `${mark.reason}: ${mark.why}` : mark.reason,
          },
        });
      case "reaped":
        return add("reap", mark.at, hasZygote ? "zygote" : "parent", "child", {
          values: { how: mark.signal ?? `exit ${mark.code}` },
        });
    }
  });
  return steps.sort((a, b) => a.at - b.at);
}
