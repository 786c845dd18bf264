/**
 * A handler that puts functions of its own in the place of all that the runtime has, and tells what our code
 * calls of them. A test puts `isEarly` and `isWhole` before it, and a handler behind.
 */
const {
  defineProperty,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  ownKeys,
} = Reflect;
const { Error, Set, Uint8Array, String } = globalThis;
const { captureStackTrace } = Error;
const { call } = Function.prototype;
const uncurry = call.bind.bind(call);
const has = uncurry(Set.prototype.has), add = uncurry(Set.prototype.add);
const split = uncurry(String.prototype.split);
const includes = uncurry(String.prototype.includes);
const encode = TextEncoder.prototype.encode.bind(new TextEncoder());
const stackOf = (() => {
  const holder = { __proto__: null };
  return (above) => {
    captureStackTrace(holder, above);
    return `${holder.stack}`;
  };
})();

/** What our code called: see `note`. */
let noted = "";
/** Whether the functions of this file are at work themselves. */
let isBusy = false;

/** Notes who called a function of this file: the first that has a file, and is not this one. */
function note(name, above) {
  if (isBusy) return;
  isBusy = true;
  try {
    const lines = split(stackOf(above), "\n");
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i];
      if (
        includes(line, "/src/child/") || includes(line, "/src/posix/") ||
        includes(line, "/src/permissions.ts") ||
        includes(line, "/src/service/") ||
        includes(line, "/deno-compile-mpserv/")
      ) {
        noted += `${name}${line}\n`;
        return;
      }
      if (includes(line, "file:") || includes(line, "ext:")) return;
    }
  } finally {
    isBusy = false;
  }
}

function trap(name) {
  return function trapped() {
    note(name, trapped);
    return garbage;
  };
}
const garbage = { __proto__: null };

/** What the handler and its test cannot do without. */
const SPARED = new Set(["globalThis", "undefined", "NaN", "Infinity"]);

/** The environment shows none without a permission. */
function keysOf(object) {
  try {
    return ownKeys(object);
  } catch {
    return [];
  }
}

/** Each place, and what is put there. */
const planned = [];

function everything() {
  const seen = new Set(), found = [];
  const visit = (object, path) => {
    const isObject = typeof object === "function" ||
      typeof object === "object" && object !== null;
    if (!isObject || has(seen, object) || path.length > 200) return;
    add(seen, object);
    found.push([object, path]);
    visit(getPrototypeOf(object), `${path}.__proto__`);
    for (const key of keysOf(object)) {
      const property = getOwnPropertyDescriptor(object, key);
      if ("value" in property) visit(property.value, `${path}.${String(key)}`);
    }
  };
  visit(globalThis, "globalThis");
  visit([][Symbol.iterator](), "ArrayIterator");
  visit(new Map()[Symbol.iterator](), "MapIterator");
  visit(new Set()[Symbol.iterator](), "SetIterator");
  visit(""[Symbol.iterator](), "StringIterator");
  visit("".matchAll(/a/g), "RegExpStringIterator");
  visit(async () => {}, "AsyncFunction");
  visit(function* () {}, "GeneratorFunction");
  visit(async function* () {}, "AsyncGeneratorFunction");
  visit(Uint8Array, "Uint8Array");
  return found;
}

function poison() {
  isBusy = true;
  const all = isWhole ? everything() : [];
  const pollution = [
    "then",
    "get",
    "set",
    "value",
    "size",
    "wait",
    "fd",
    "events",
    "start",
    "code",
    "name",
    "bytesIn",
    "path",
    "cancelable",
    "writable",
    "configurable",
    "enumerable",
  ];
  for (const [object, path] of all) {
    for (const key of keysOf(object)) {
      const name = `${path}.${String(key)}`;
      if (SPARED.has(key)) continue;
      const old = getOwnPropertyDescriptor(object, key);
      const made = { __proto__: null };
      if ("value" in old) {
        if (key !== "constructor" && typeof old.value !== "function") continue;
        if (!old.writable && !old.configurable) continue;
        made.value = trap(name);
      } else {
        if (!old.configurable) continue;
        const get = trap(name), set = trap(name);
        made.get = old.get && get;
        made.set = old.set && set;
      }
      planned.push([object, key, made]);
    }
  }
  // With a value there, the runtime's event loop ends the process: it takes it for what waits in its queue.
  const indices = isWhole ? ["0", "1", "2"] : [];
  for (const key of [...pollution, ...indices]) {
    const name = `polluted ${key}`;
    const made = { __proto__: null, configurable: true };
    if (isWhole) {
      made.get = function got() {
        note(name, got);
      };
      made.set = function put() {
        note(name, put);
      };
    } else made.value = trap(name);
    planned.push([Object.prototype, key, made], [Array.prototype, key, made]);
  }
  isBusy = false;
  const { length } = planned;
  for (let i = 0; i < length; i++) {
    const plan = planned[i];
    try {
      defineProperty(plan[0], plan[1], plan[2]);
    } catch {
      // It cannot be replaced.
    }
  }
}
/** What a handler of the test calls first. */
function begin() {
  if (planned.length === 0) poison();
}

/** What our code has called. */
function tell() {
  return noted;
}

const room = new Uint8Array(64), byte = new Uint8Array(1);
const go = encode("go ");
const lengthOf = uncurry(
  getOwnPropertyDescriptor(getPrototypeOf(Uint8Array.prototype), "length").get,
);
const follow = uncurry(Promise.prototype.then);
const readerOf = uncurry(ReadableStream.prototype.getReader);
const writerOf = uncurry(WritableStream.prototype.getWriter);
const readFrom = uncurry(ReadableStreamDefaultReader.prototype.read);
const writeTo = uncurry(WritableStreamDefaultWriter.prototype.write);

if (isEarly) poison();

export {
  begin,
  byte,
  encode,
  follow,
  go,
  lengthOf,
  readerOf,
  readFrom,
  room,
  tell,
  writerOf,
  writeTo,
};
