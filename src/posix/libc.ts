/**
 * The only `dlopen` of the C library.
 *
 * @module
 */
import { abi } from "./abi.ts";
import { prototypes, SELDOM } from "./prototypes.ts";

/** The functions of the C library, by name; those of one system alone may be null elsewhere. */
type CLibrary = Deno.DynamicLibrary<typeof prototypes>["symbols"];

const opened: Partial<CLibrary> = {};
let isLazy = false;

/**
 * Has functions opened at their first call from here on. It is for processes that may load libraries all their
 * life, and load modules of which they call a part.
 */
export function openWhenCalled(): void {
  isLazy = true;
}

/**
 * Opens functions at once, for a process that gives up the permission to: after {@linkcode openWhenCalled} it has no
 * others then.
 */
export function openNow(...names: readonly (keyof CLibrary)[]): void {
  open(names);
}

/**
 * The runtime compiles machine code for each function that it opens, an eighth of a millisecond each; but not for one
 * that has a struct among its parameters. So a function that is called seldom gets one parameter more, which it does
 * not look at: by both ABIs it is the caller who puts arguments away, and takes them back.
 */
const PADDING = { struct: ["u8"] } as const;
const padding = new Uint8Array(1);

/**
 * Some functions of the C library: those that a module calls, once for each process. No process calls more than half
 * of them. Throws `Deno.errors.NotCapable` when this process may not load libraries any more.
 */
export function cLibrary<Name extends keyof CLibrary>(
  ...names: readonly Name[]
): Pick<CLibrary, Name> {
  if (!isLazy) return open(names);
  const functions = {};
  for (const name of names) {
    Object.defineProperty(functions, name, {
      configurable: true,
      get: () => {
        const value = open([name])[name];
        Object.defineProperty(functions, name, { value });
        return value;
      },
    });
  }
  return functions as Pick<CLibrary, Name>;
}

/**
 * Calls with the padding, and without a list of arguments: a handler may have replaced what goes through lists.
 * `count`: how many arguments it has.
 */
function padded(
  call: (...args: unknown[]) => unknown,
  count: number,
): (...args: unknown[]) => unknown {
  if (count === 0) return () => call(padding);
  if (count === 1) return (a) => call(a, padding);
  if (count === 2) return (a, b) => call(a, b, padding);
  if (count === 3) return (a, b, c) => call(a, b, c, padding);
  if (count === 4) return (a, b, c, d) => call(a, b, c, d, padding);
  throw new TypeError(`Cannot pad a function with ${count} parameters`);
}

function prototypeOf(name: keyof typeof prototypes): Deno.ForeignFunction {
  const prototype: Deno.ForeignFunction = prototypes[name];
  if (!SELDOM.has(name)) return prototype;
  return { ...prototype, parameters: [...prototype.parameters, PADDING] };
}

function open<Name extends keyof CLibrary>(
  names: readonly Name[],
): Pick<CLibrary, Name> {
  const missing = names.filter((name) => !(name in opened));
  if (missing.length > 0) {
    const wanted = missing.map((name) => [name, prototypeOf(name)]);
    const { symbols } = Deno.dlopen(abi.library, Object.fromEntries(wanted));
    for (const name of missing) {
      const call = symbols[name] as ((...args: unknown[]) => unknown) | null;
      const isPadded = call !== null && SELDOM.has(name);
      const { length } = prototypes[name].parameters;
      const value = isPadded ? padded(call, length) : call;
      Object.assign(opened, { [name]: value });
    }
  }
  const functions = names.map((name) => [name, opened[name]]);
  return Object.fromEntries(functions) as Pick<CLibrary, Name>;
}
