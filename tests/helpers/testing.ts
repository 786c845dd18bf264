/**
 * Tools for every test: sanitizers, deadlines, bytes.
 *
 * @module
 */

/**
 * How long anything may take before a test gives up on it, in milliseconds; never a measurement. Machines that are
 * many times slower, such as emulated ones, have MPSERV_TEST_PATIENCE times as long.
 */
export const DEADLINE = 60_000 *
  Number(Deno.env.get("MPSERV_TEST_PATIENCE") ?? 1);

/** A test with every sanitizer on, whatever the runtime's version takes for granted. */
export function test(
  name: string,
  fn: () => Promise<void> | void,
  options: { ignore?: boolean } = {},
): void {
  Deno.test({
    name,
    fn,
    ignore: options.ignore ?? false,
    sanitizeOps: true,
    sanitizeResources: true,
    sanitizeExit: true,
  });
}

/** The pauses between looks, in milliseconds: what does not hold soon is looked at less often, since a look may cost. */
const PAUSE = { first: 20, growth: 1.2, longest: 80 };

/** Waits until something holds; fails loudly when it does not. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadline = DEADLINE,
  { first, growth, longest } = PAUSE,
): Promise<void> {
  const end = Date.now() + deadline;
  for (let pause = first; !await holds();) {
    if (Date.now() > end) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * growth, longest);
  }
}

/** So many looks, one after another, at which nothing has changed. */
const LOOKS = 10;

/**
 * Waits until something does not change any more.
 *
 * @param what What it is, for a failure.
 * @param look Says what there is; null for what cannot last.
 * @returns What there was at each of the last looks.
 */
export async function steady<T extends string | number>(
  what: string,
  look: () => T[] | null,
): Promise<T[]> {
  let last: T[] | null = null, same = 0;
  await until(
    what,
    () => {
      const now = look();
      same = now !== null && now.join() === last?.join() ? same + 1 : 0;
      last = now;
      return same === LOOKS;
    },
    DEADLINE,
    { ...PAUSE, longest: PAUSE.first },
  );
  return last!;
}

/** Repeats assertions until they hold; throws what the last ones threw when they do not. */
export async function settles(
  check: () => Promise<void> | void,
  deadline = DEADLINE,
): Promise<void> {
  const end = Date.now() + deadline;
  for (let pause = PAUSE.first;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * PAUSE.growth, PAUSE.longest);
  }
}

/**
 * The test of a limit of time, within which the test itself has something to do. If it was held up for
 * about as long, its failure means nothing, and it is run again.
 *
 * @param limit The limit, in milliseconds.
 * @param attempt The test.
 * @returns What to give to {@linkcode test}.
 */
export function unlessHeldUp(
  limit: number,
  attempt: () => Promise<void>,
): () => Promise<void> {
  return async () => {
    for (let tries = 1;; tries++) {
      let longest = 0, last = performance.now();
      const look = () => {
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
      };
      const timer = setInterval(look, 20);
      try {
        return await attempt();
      } catch (error) {
        look();
        if (longest < limit / 2 || tries === 5) throw error;
      } finally {
        clearInterval(timer);
      }
    }
  };
}

/** Gives up on a promise after the deadline. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  deadline = DEADLINE,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Waited in vain for ${what}`)),
      deadline,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Random bytes: two that change places are seen. */
export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, length)));
  }
  return bytes;
}

/** Whether two are the same; a failed `deepEqual` of megabytes would print them. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Whether there is a file. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** A directory that is removed at the end of the block. */
export function temporaryDirectory(): { path: string } & AsyncDisposable {
  const path = Deno.makeTempDirSync({ prefix: "mpserv-test-" });
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
