/** Connections as a table, and what is noteworthy as lines. */
import { at, element, put, say, showBytes, showTime } from "./text.js";

const MOST_ROWS = 40;
const NUMBERS = ["id", "pid", "in", "out", "age"];
const FIELDS = ["id", "peer", "pid", "state", "in", "out", "age"];

/** The table of connections, newest first. */
export class List {
  #select;

  constructor(select) {
    this.#select = select;
  }

  /** Draws it; `chosen` is marked. */
  draw(world, chosen) {
    const head = at("list").tHead.rows[0];
    if (head.cells.length === 0) {
      head.append(
        ...FIELDS.map((name) =>
          element("th", {
            scope: "col",
            class: NUMBERS.includes(name) ? "number" : null,
          })
        ),
      );
    }
    FIELDS.forEach((name, i) => put(head.cells[i], say(`columns.${name}`)));
    const body = at("list").tBodies[0];
    const newest = [...world.connections.values()].slice(-MOST_ROWS).reverse();
    while (body.rows.length > newest.length) body.lastElementChild.remove();
    newest.forEach((connection, i) => {
      const row = body.rows[i] ?? body.appendChild(this.#row());
      row.connection = connection;
      row.className = connection === chosen ? "chosen" : "";
      fieldsOf(connection).forEach((text, k) => {
        const cell = row.cells[k];
        put(k === 0 ? cell.firstElementChild : cell, text);
      });
    });
  }

  #row() {
    const row = element("tr");
    for (const name of FIELDS) {
      const cell = element("td", {
        class: NUMBERS.includes(name) ? "number" : null,
      });
      if (name === "id") {
        const button = element("button", { class: "plain" });
        button.addEventListener("click", () => this.#select(row.connection));
        cell.append(button);
      }
      row.append(cell);
    }
    return row;
  }
}

function fieldsOf(connection) {
  const { id, peer, pid, reason, last, isOver, duration, age } = connection;
  const isHalf = connection.isHalfClosed && !isOver;
  const state = say(`rowStates.${isHalf ? "half-closed" : last.event}`, {
    reason,
  });
  return [
    id === 0 ? "–" : String(id),
    peer,
    pid === 0 ? "–" : String(pid),
    state,
    showBytes(connection.in),
    showBytes(connection.out),
    showTime(isOver ? duration : 1e3 * age),
  ];
}

/** What is noteworthy, newest first. */
export function drawLog({ log }) {
  const items = log.toReversed().map(({ kind, values, time }) =>
    element(
      "p",
      { class: kind },
      element("time", {}, new Date(time).toTimeString().slice(0, 8)),
      " ",
      say(`log.${kind}`, values),
    )
  );
  at("log").replaceChildren(...items);
}
