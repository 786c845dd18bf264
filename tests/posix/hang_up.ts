/**
 * The end of a pair, in a process whose other threads start processes meanwhile.
 *
 * @module
 */
import { abi } from "../../src/posix/abi.ts";
import type { Fd } from "../../src/posix/fd.ts";
import { poll } from "../../src/posix/io.ts";
import { until } from "../helpers/testing.ts";

/**
 * Closes one end, and waits until the other one knows: a process that a test beside this one is starting
 * has a copy of every descriptor until its `execve(2)`.
 *
 * @param end The end to close.
 * @param other The other one.
 */
export async function hangUp(end: Fd, other: Fd): Promise<void> {
  end.close();
  await until("every copy of a descriptor is closed", () => {
    const [events = 0] = poll([{ fd: other.number, events: 0 }], 0);
    return (events & abi.POLLHUP) !== 0;
  });
}
