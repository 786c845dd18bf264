/**
 * The runtime's own functions as they were before a person's module ran, for all that runs beside it. Such a
 * module may replace every method and accessor, and put properties on every prototype; ours then calls none of
 * them. So code that runs in a process with a handler:
 *
 * - takes classes and functions from here, and calls methods of plain objects as functions;
 * - makes buffers and maps whose methods nobody can replace ({@linkcode SafeBytes}, {@linkcode SafeView},
 *   {@linkcode SafeMap});
 * - goes over arrays by index, and not by `for … of`, spread or destructuring, and adds to none;
 * - reads no property of an object that may lack it, or gives the object no prototype;
 * - awaits promises of its own through {@linkcode own}, and resolves them with no object that may lack `then`;
 * - recognizes its own errors by a private name, and others by {@linkcode isA}, not by `instanceof`.
 *
 * @module
 */

/** A method as a function whose first argument is the object. */
type Uncurried<Self, Method> = Method extends
  (...args: infer Args) => infer Result ? (self: Self, ...args: Args) => Result
  : never;

const { bind, call } = Function.prototype;
const {
  defineProperty,
  deleteProperty,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  ownKeys,
  setPrototypeOf,
} = Reflect;
const { freeze } = Object;

/** Makes a function of a method. */
export function uncurry<Self extends object, Name extends keyof Self>(
  prototype: Self,
  name: Name,
): Uncurried<Self, Self[Name]> {
  return bind.call(call, prototype[name]) as Uncurried<Self, Self[Name]>;
}

/** Makes a function of an accessor. */
export function getterOf<Result>(
  prototype: object,
  name: string | symbol,
): (self: unknown) => Result {
  return bind.call(call, getOwnPropertyDescriptor(prototype, name)!.get!);
}

export const {
  ArrayBuffer,
  BigInt,
  Error,
  Int32Array,
  Promise,
  RangeError,
  TypeError,
  Uint8Array,
} = globalThis;

/** Gives a class of ours all that its parents' objects have, so that it needs them no more. */
function makeSafe<Class extends { readonly prototype: object }>(
  safe: Class,
): Class {
  const { prototype } = safe;
  let parent = getPrototypeOf(prototype);
  for (
    ;
    parent && parent !== Object.prototype;
    parent = getPrototypeOf(parent)
  ) {
    for (const key of ownKeys(parent)) {
      if (getOwnPropertyDescriptor(prototype, key)) continue;
      defineProperty(
        prototype,
        key,
        getOwnPropertyDescriptor(parent, key)!,
      );
    }
  }
  setPrototypeOf(prototype, null);
  freeze(prototype);
  freeze(safe);
  return safe;
}

/** Bytes whose methods cannot be replaced. */
export const SafeBytes: Uint8ArrayConstructor = makeSafe(
  class extends Uint8Array {
    static get [Symbol.species]() {
      return SafeBytes;
    }
  },
) as Uint8ArrayConstructor;

/** A view whose methods cannot be replaced. */
export const SafeView: DataViewConstructor = makeSafe(
  class extends DataView<ArrayBuffer> {},
) as DataViewConstructor;

/** A map whose methods cannot be replaced. It starts empty and cannot be iterated. */
export const SafeMap: new <Key, Value>() => Map<Key, Value> = makeSafe(
  class extends Map {},
);

/** A pattern whose methods cannot be replaced. */
export const SafePattern: new (pattern: RegExp) => RegExp = makeSafe(
  class extends RegExp {
    static override get [Symbol.species]() {
      return SafePattern as RegExpConstructor;
    }
  },
);

/** `Deno.errors`, whose classes a module may replace. */
export const errors: Readonly<typeof Deno.errors> = freeze(
  {
    __proto__: null,
    ...Deno.errors,
  } as unknown as typeof Deno.errors,
);

export const { ceil, floor, max, min } = Math;
export const now: () => number = performance.now.bind(performance);

export const encode: (text: string) => Uint8Array<ArrayBuffer> = TextEncoder
  .prototype.encode.bind(new TextEncoder());
export const encodeInto: TextEncoder["encodeInto"] = TextEncoder.prototype
  .encodeInto.bind(new TextEncoder());
const decodeWith = uncurry(TextDecoder.prototype, "decode");
export const decode = (bytes: Uint8Array): string =>
  decodeWith(new OwnDecoder(), bytes);
const OwnDecoder = TextDecoder;

/** How many bytes a `Uint8Array` has at this moment, whatever its class. */
export const lengthOf: (bytes: Uint8Array) => number = getterOf(
  getPrototypeOf(Uint8Array.prototype)!,
  "byteLength",
);

/** The memory of a `Uint8Array`, whatever its class. */
export const bufferOf: (bytes: Uint8Array) => ArrayBuffer = getterOf(
  getPrototypeOf(Uint8Array.prototype)!,
  "buffer",
);
/** Where in its memory a `Uint8Array` begins, whatever its class. */
export const offsetOf: (bytes: Uint8Array) => number = getterOf(
  getPrototypeOf(Uint8Array.prototype)!,
  "byteOffset",
);

/**
 * `Uint8Array.prototype.subarray`, of no class but the runtime's. `bytes`: the bytes. `end`: where the part ends;
 * with all of them unless it is said.
 */
export function part(
  bytes: Uint8Array,
  start: number,
  end: number = lengthOf(bytes),
): Uint8Array<ArrayBuffer> {
  const size = max(0, end - start);
  return new Uint8Array(bufferOf(bytes), offsetOf(bytes) + start, size);
}

export const kindOf: (value: unknown) => string = uncurry(
  Object.prototype,
  "toString",
) as never;
export const hasOwn: (value: object, name: PropertyKey) => boolean = uncurry(
  Object.prototype,
  "hasOwnProperty",
);
export const slice: (text: string, start: number, end?: number) => string =
  uncurry(String.prototype, "slice");
export const startsWith: (text: string, start: string) => boolean = uncurry(
  String.prototype,
  "startsWith",
);
export const includes: (text: string, part: string) => boolean = uncurry(
  String.prototype,
  "includes",
);
export const trim: (text: string) => string = uncurry(String.prototype, "trim");
export const toLowerCase: (text: string) => string = uncurry(
  String.prototype,
  "toLowerCase",
);
/** `String.prototype.replace`; all, where the pattern is a global one. */
export const replace: (
  text: string,
  pattern: RegExp | string,
  by: string,
) => string = uncurry(String.prototype, "replace") as never;
/** `RegExp.prototype.exec`, which goes on from match to match where the pattern is a global one. */
export const exec: (
  pattern: RegExp,
  text: string,
) => RegExpExecArray | null = uncurry(RegExp.prototype, "exec");
export const indexOf: <T>(array: readonly T[], item: T) => number = uncurry(
  Array.prototype,
  "indexOf",
) as never;

const isPrototypeOf = uncurry(Object.prototype, "isPrototypeOf");

/** As `instanceof`, which a class can answer as it likes. Returns whether it is of this class. */
export function isA<Class extends abstract new (...args: never) => object>(
  value: unknown,
  of: Class,
): value is InstanceType<Class> {
  return isPrototypeOf(of.prototype, value as object);
}

/** The property with which `await` recognizes a promise of the runtime. */
const awaitable = freeze({ __proto__: null, constructor: Promise });
/** The properties that other code reads: how to wait for it, and the class of the result. */
const followed = freeze({
  __proto__: null,
  constructor: undefined,
  then: Promise.prototype.then,
});

/** A promise of ours as the runtime's streams get it. */
export function given<T>(promise: Promise<T>): Promise<T> {
  setPrototypeOf(promise, followed);
  return promise;
}

/** A promise of ours as it is awaited: else `await` asks the prototype of all promises for its constructor. */
export function own<T>(promise: Promise<T>): Promise<T> {
  setPrototypeOf(promise, awaitable);
  return promise;
}

/** Whether something is a promise of the runtime's, such as every async function returns. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null &&
    getPrototypeOf(value) === Promise.prototype;
}

/**
 * Starts an operation of the runtime that reports its end later. Every such start goes through
 * `Function.prototype.call`.
 */
export function begin<T>(start: () => T): T {
  if (isIntact(Functions, "call", call)) return start();
  const bent = getOwnPropertyDescriptor(Functions, "call");
  defineProperty(Functions, "call", as(call));
  try {
    return start();
  } finally {
    put(Functions, "call", bent);
  }
}

const Functions = Function.prototype;

/**
 * Defines a property, or deletes it. `property`: what becomes of it; undefined for nothing. Returns whether it could.
 */
export function put(
  object: object,
  key: PropertyKey,
  property: PropertyDescriptor | undefined,
): boolean {
  if (property === undefined) return deleteProperty(object, key);
  setPrototypeOf(property, null); // or it would inherit the properties of all objects
  return defineProperty(object, key, property);
}

/** A property as the runtime makes those of its classes. */
export function as(value: unknown): PropertyDescriptor {
  const made = { value, writable: true, configurable: true };
  return { __proto__: null, ...made } as PropertyDescriptor;
}

/** Whether a property is unchanged. */
export function isIntact(
  object: object,
  key: string,
  value: unknown,
): boolean {
  const found = getOwnPropertyDescriptor(object, key);
  return found !== undefined && hasOwn(found, "value") && found.value === value;
}
