/**
 * Waiting no longer than so long.
 *
 * @module
 */

/**
 * Whether a promise resolves in time.
 *
 * @param milliseconds How long it has.
 * @param promise The promise.
 * @returns False when the time is up before.
 */
export async function within(
  milliseconds: number,
  promise: Promise<void>,
): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  const inTime = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}
