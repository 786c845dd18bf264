/**
 * Renews the state that two copies of a process must not share: process ids and random numbers. All of it is
 * prepared in the zygote, so that a child pays for what it uses alone.
 *
 * @module
 */
import type { Fd } from "../posix/fd.ts";
import { exitNow, fork, waitFor } from "../posix/forking.ts";
import { read, write } from "../posix/io.ts";
import { cLibrary } from "../posix/libc.ts";
import { socketPair } from "../posix/net/sockets.ts";
import { internals } from "../runtime/permissions.ts";

const { getpid } = cLibrary("getpid");

// Taken before a module is loaded that may put something else in their place.
const getRandomValues = crypto.getRandomValues.bind(crypto);
const randomUUID = crypto.randomUUID.bind(crypto);

/** Words of random state that `Math.random` draws at a time. */
const POOL = 256;
const pool = new Uint32Array(POOL);
let used = POOL;

/** A uniform double in [0, 1) with 53 random bits, from the system's generator. */
function random(): number {
  if (used === POOL) {
    getRandomValues(pool);
    used = 0;
  }
  const high = pool[used++]! >>> 5;
  const low = pool[used++]! >>> 6;
  return (high * 2 ** 26 + low) / 2 ** 53;
}

/**
 * Makes `Math.random` and `Deno.pid` fit to be copied by a fork: V8's generator cannot be told to seed
 * again, and the pid is a copy. Call it once in the zygote, before a module is loaded that may keep them.
 */
export function replaceIdentity(): void {
  Object.defineProperty(Deno, "pid", {
    get: () => getpid(),
    configurable: true,
    enumerable: true,
  });
  Math.random = random;
}

/**
 * Makes the generators behind Web Crypto fit to be copied by a fork. Call it once in the zygote, after
 * everything is loaded and before the first fork.
 *
 * - `crypto.getRandomValues`: the runtime's generator keeps a block of up to 256 bytes and notices a
 *   fork only when it fills the next (pthread_atfork(3)); `crypto.randomUUID` keeps a batch of up to
 *   128. What is left of both is used up here, or every child would get the same.
 *
 * @throws {TypeError} When two children would still draw the same.
 */
export function useUpRandomness(
  generators: readonly (() => string)[] = [],
): void {
  const word = new Uint32Array(1);
  useUp([
    () => String(getRandomValues(word)[0]),
    () => randomUUID(),
    ...generators.map(orOwn),
  ]);
}

/** If a module replaced a part of a generator, the results are its own responsibility. */
function orOwn(draw: () => string): () => string {
  return () => {
    try {
      return `${draw()}`;
    } catch {
      return `${getpid()}`; // differs from child to child
    }
  };
}

/**
 * Has every draw of a random number fail, in a zygote whose children draw none: two of them would draw the
 * same. Call it once, before any code of a service is loaded.
 */
export function refuseRandomness(): void {
  const refuse = (): never => {
    throw new TypeError(
      "Cannot draw a random number in a process that was forked without generators of its own",
    );
  };
  Math.random = refuse;
  for (const name of ["getRandomValues", "randomUUID"] as const) {
    Object.defineProperty(Crypto.prototype, name, { value: refuse });
  }
}

/** A forked child draws random numbers of its own from here on. */
export function renewIdentity(): void {
  used = POOL;
}

/** How much a generator may hold ready: a batch of 128, and some to see that it has changed. */
const MOST = 136;

/** Draws from each as often as two children would draw the same. */
function useUp(generators: readonly (() => string)[]): void {
  const children = [drawInChild(generators), drawInChild(generators)];
  const [first, second] = children.map((child) => child.drawn());
  generators.forEach((draw, which) => {
    const ours = first![which]!, theirs = second![which]!;
    const shared = ours.findIndex((value, i) => value !== theirs[i]);
    if (shared < 0) {
      throw new TypeError("Cannot fork: children would share random numbers");
    }
    for (let i = 0; i < shared; i++) draw();
  });
}

/** The numbers that a child forked now would draw: one list per generator. */
function drawInChild(
  generators: readonly (() => string)[],
): { drawn(): string[][] } {
  const [ours, theirs] = socketPair();
  const pid = fork();
  if (pid === 0) {
    for (const draw of generators) {
      const drawn = Array.from({ length: MOST }, draw);
      write(theirs.number, new TextEncoder().encode(drawn.join(" ")));
    }
    exitNow(0);
  }
  theirs.close();
  return {
    drawn: () => {
      using owned = ours;
      const lists = generators.map(() => receive(owned).split(" "));
      waitFor(pid);
      return lists;
    },
  };
}

function receive(from: Fd): string {
  const buffer = new Uint8Array(16 * 1024);
  const count = Math.max(0, read(from.number, buffer));
  return new TextDecoder().decode(buffer.subarray(0, count));
}

/** The part of `node:process` used here, which must not be loaded for this. */
interface Warner {
  listeners(event: "warning"): readonly (() => void)[];
  removeListener(event: "warning", listener: () => void): void;
}

/**
 * `node:process` keeps the pid in a variable of its own once it has been loaded. Deno 2.9 can set it up
 * again, which a child does if the zygote had it; Deno 2.7 cannot: there `process.pid` stays that of
 * the zygote.
 */
export function renewNodeProcess(): void {
  const boot = internals.__nodeBootstrapArgs;
  if (!internals.__nodeProcessBootstrapped || !boot) return;
  const { process } = globalThis as unknown as { process: Warner };
  const listeners = process.listeners("warning").length;
  internals.__nodeProcessBootstrapped = false;
  internals.__bootstrapNodeProcess(
    boot.argv0,
    boot.denoArgs,
    boot.denoVersion,
    boot.nodeDebug ?? "",
    false,
    true,
  );
  // It listens once more for warnings, each of which would be printed so many times.
  for (const listener of process.listeners("warning").slice(listeners)) {
    process.removeListener("warning", listener);
  }
}
