/** The page: what it is told, what a person does, and a frame at a time. */
import { drawLog, List } from "./lists.js";
import { Measure } from "./measure.js";
import { Replay } from "./replay.js";
import { Stage } from "./stage.js";
import { World } from "./state.js";
import { at, put, say, sayAll, showTime, speaking } from "./text.js";

/** How often tables are drawn again at most, in milliseconds. */
const TABLES = 400;
/** How often it is looked whether something is to be drawn, in milliseconds: a frame for nothing costs, too. */
const LOOK = 30;
/** Both while more happens than can be shown. */
const FLOOD_TABLES = 1200, FLOOD_LOOK = 120;

const world = new World();
const replay = new Replay(() => at("follow").checked = false);
const select = (connection) => {
  at("follow").checked = false;
  replay.show(connection);
};
const stage = new Stage(world, select);
const list = new List(select);
const measure = new Measure();

function listen() {
  const source = new EventSource("live");
  for (const name of ["began", "look", "events", "ended", "gone", "refused"]) {
    source.addEventListener(name, ({ data }) => world[name](JSON.parse(data)));
  }
  source.addEventListener("error", () => world.gone());
}

let drawnVersion = -1, drawnAt = 0;

function frame(now) {
  stage.tick(now);
  replay.tick(now);
  const pause = world.isFlooded(now) ? FLOOD_TABLES : TABLES;
  if (world.version !== drawnVersion && now - drawnAt > pause) {
    drawnVersion = world.version;
    drawnAt = now;
    drawTables();
  }
  next();
}

/** A replay moves in each frame; all else moves by itself, or in steps. */
function next() {
  if (replay.isPlaying) return requestAnimationFrame(frame);
  const pause = world.isFlooded(performance.now()) ? FLOOD_LOOK : LOOK;
  setTimeout(() => isDue() ? requestAnimationFrame(frame) : next(), pause);
}

/** Whether a frame would change anything. */
function isDue() {
  return replay.isPlaying || stage.moves || world.version !== drawnVersion;
}

function drawTables() {
  if (at("follow").checked && !replay.isPlaying) {
    const newest = [...world.connections.values()].at(-1);
    if (newest) replay.show(newest);
  }
  replay.refresh();
  list.draw(world, replay.connection);
  drawLog(world);
  drawServer();
}

function drawServer() {
  const status = world.current?.status;
  if (!status || world.isAlone) {
    put(at("server"), say(status ? "serverGone" : "waitingForServer"));
    return;
  }
  const { address, model, pid, uptime, totals, state } = status;
  const up = showTime(1e3 * uptime);
  put(
    at("server"),
    say("server", { address, model, pid, up }) + " · " +
      say(`serverState.${state}`),
  );
  const refused = Object.values(totals.refused).reduce((a, b) => a + b, 0);
  put(at("totals"), say("totals", { ...totals, refused }));
  if (replay.connection === null) {
    put(at("sequence"), say("sequenceHint", { where: whereOf(status) }));
  }
}

/** How a client is told to connect. */
function whereOf({ listener: { path, hostname, port } }) {
  if (path !== undefined) return `--unix ${path}`;
  const all = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  return `${all[hostname] ?? hostname} ${port}`;
}

/** Says everything again. */
function speak(language) {
  speaking.language = language;
  at("language").value = language;
  sayAll();
  stage.redraw();
  replay.draw();
  measure.draw();
  drawTables();
}

function chooseTab(name) {
  for (const one of ["live", "measure"]) {
    const tab = at(`tab-${one}`);
    const isChosen = one === name;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    at(`panel-${one}`).hidden = !isChosen;
  }
  replay.draw();
}

for (const name of ["live", "measure"]) {
  const tab = at(`tab-${name}`);
  const other = name === "live" ? "measure" : "live";
  tab.addEventListener("click", () => chooseTab(name));
  tab.addEventListener("keydown", ({ key }) => {
    if (!["ArrowLeft", "ArrowRight"].includes(key)) return;
    chooseTab(other);
    at(`tab-${other}`).focus();
  });
}
at("language").addEventListener("change", ({ target }) => speak(target.value));
at("theme").addEventListener("change", ({ target }) => {
  document.documentElement.dataset.theme = target.value;
});
addEventListener("keydown", ({ key, target }) => {
  if (target.closest("input, select, button, a, [role=tab]")) return;
  if (key === "ArrowLeft") replay.step(-1);
  if (key === "ArrowRight") replay.step(1);
});
new ResizeObserver(() => replay.draw()).observe(at("sequence"));

speak(navigator.language.startsWith("ko") ? "ko" : "en");
listen();
requestAnimationFrame(frame);
