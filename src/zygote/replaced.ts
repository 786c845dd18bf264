/**
 * Undoes and redoes a module's replacements of the runtime's functions and its additions to prototypes. A zygote still
 * has work to do once the module is loaded, with the runtime as it was before; its children have it as the
 * module made it.
 *
 * @module
 */
import {
  getterOf,
  hasOwn,
  indexOf,
  put,
  TypeError,
} from "../posix/intrinsics.ts";

const { is } = Object;
const {
  deleteProperty,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  ownKeys,
  setPrototypeOf,
} = Reflect;
const describe = getterOf<string | undefined>(Symbol.prototype, "description");

/** An object of the runtime's as it was. */
interface Noted {
  readonly object: object;
  readonly prototype: object | null;
  readonly keys: readonly PropertyKey[];
  readonly properties: readonly PropertyDescriptor[];
}

/** The changes that a module made to the runtime. */
export class Replaced {
  readonly #noted: readonly Noted[];
  /** Each does again what the module did: to the global object first, as the constructor says. */
  readonly #again: readonly [(() => void)[], (() => void)[]] = [list(), list()];

  /** Notes the state before the module is loaded. */
  constructor() {
    const objects = new Set<object>();
    const add = (value: unknown) => {
      for (let one = value; isObject(one); one = getPrototypeOf(one)) {
        objects.add(one);
      }
    };
    for (const name of GLOBALS) {
      const value: unknown = Reflect.get(globalThis, name);
      add(value);
      if (typeof value === "function") add(value.prototype);
    }
    for (const one of SAMPLES) add(getPrototypeOf(one));
    const noted = list<Noted>();
    for (const object of objects) noted[noted.length] = note(object);
    // At last: the runtime itself answers for some of these, and makes descriptors of what all objects inherit.
    noted[noted.length] = note(globalThis, [...GLOBALS, ...FUNCTIONS]);
    this.#noted = noted;
  }

  /**
   * Puts the runtime's own back, for work in between. Nothing of the module's may run from here on. Throws
   * `TypeError` when the module did it for good.
   */
  undo(): void {
    const { length } = this.#noted;
    for (let i = 0; i < length; i++) this.#undo(this.#noted[i]!);
  }

  /** For children. The result does again what the module did; null where that was nothing. */
  redo(): (() => void) | null {
    const first = this.#again[0], then = this.#again[1];
    if (first.length + then.length === 0) return null;
    return () => {
      for (let i = 0; i < first.length; i++) first[i]!();
      for (let i = 0; i < then.length; i++) then[i]!();
    };
  }

  #undo({ object, prototype, keys, properties }: Noted): void {
    const parent = getPrototypeOf(object);
    if (parent !== prototype && setPrototypeOf(object, prototype)) {
      this.#later(object, () => void setPrototypeOf(object, parent));
    }
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!, made = getOwnPropertyDescriptor(object, key);
      if (isSame(made, properties[i]!)) continue;
      if (!put(object, key, properties[i]!)) {
        throw new TypeError(
          `Cannot fork: the module replaced the runtime's "${
            nameOf(key)
          }" permanently: make it configurable, or use --model spawn`,
        );
      }
      this.#later(object, () => void put(object, key, made));
    }
    const now = ownKeys(object);
    if (now.length === keys.length || object === globalThis) return;
    for (let i = 0; i < now.length; i++) {
      const key = now[i]!, added = getOwnPropertyDescriptor(object, key);
      // One that is there for good takes nothing away from us.
      if (
        indexOf<PropertyKey>(keys, key) >= 0 || !deleteProperty(object, key)
      ) continue;
      this.#later(object, () => void put(object, key, added));
    }
  }

  #later(object: object, again: () => void): void {
    const list = this.#again[object === globalThis ? 0 : 1];
    list[list.length] = again;
  }
}

/** The functions that our code and the language itself use; neither calls any other. */
const GLOBALS = [
  "Array",
  "ArrayBuffer",
  "BigInt",
  "BigInt64Array",
  "BigUint64Array",
  "Boolean",
  "DataView",
  "Deno",
  "Error",
  "Function",
  "Int32Array",
  "Iterator",
  "JSON",
  "Map",
  "Math",
  "Number",
  "Object",
  "Promise",
  "RangeError",
  "Reflect",
  "RegExp",
  "Set",
  "String",
  "Symbol",
  "TextDecoder",
  "TextEncoder",
  "TypeError",
  "URL",
  "Uint32Array",
  "Uint8Array",
  "crypto",
  "performance",
];
/** Of these the functions alone: to look at the runtime's timers would load them. */
const FUNCTIONS = [
  "clearTimeout",
  "decodeURIComponent",
  "parseInt",
  "setTimeout",
];

/** Of each kind that no global names. */
const SAMPLES: readonly object[] = [
  [][Symbol.iterator](),
  new Map()[Symbol.iterator](),
  new Set()[Symbol.iterator](),
  ""[Symbol.iterator](),
  "".matchAll(/a/g),
  new Uint8Array(),
  async () => {},
  (function* () {})(),
  (async function* () {})(),
];

function note(object: object, keys = ownKeys(object)): Noted {
  return {
    object,
    prototype: getPrototypeOf(object),
    keys,
    properties: keys.map((key) => getOwnPropertyDescriptor(object, key)!),
  };
}

function isObject(value: unknown): value is object {
  return typeof value === "function" ||
    typeof value === "object" && value !== null;
}

/** Whether a property has the same meaning; a frozen one has. */
function isSame(
  made: PropertyDescriptor | undefined,
  noted: PropertyDescriptor,
): boolean {
  if (made === undefined) return false;
  return hasOwn(noted, "value")
    ? hasOwn(made, "value") && is(made.value, noted.value)
    : hasOwn(made, "get") && made.get === noted.get && made.set === noted.set;
}

function nameOf(key: PropertyKey): string {
  return typeof key === "symbol" ? describe(key) ?? "" : `${key}`;
}

/** A property that no setter observes. */
function list<T>(): T[] {
  const made: T[] = [];
  setPrototypeOf(made, null);
  return made;
}
