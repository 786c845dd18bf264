/**
 * Closing a listening socket without resetting anybody: nobody begins to connect, while those who have
 * begun finish and are accepted.
 *
 * Closing alone resets every connection that completes between the last `accept(2)` and `close(2)`:
 * its client believes that it is served. A filter on the socket (socket(7) SO_ATTACH_FILTER, Linux)
 * drops what opens a connection and nothing else; who is dropped so asks again a second later, and is
 * then refused.
 *
 * @module
 */
import { abi } from "../abi.ts";
import { cLibrary } from "../libc.ts";
import {
  assemble,
  BPF_AND_K,
  BPF_JEQ_K,
  BPF_LD_B_ABS,
  BPF_RET_K,
  filterProgram,
} from "../seccomp/filter.ts";

const libc = cLibrary("setsockopt");

const SO_ATTACH_FILTER = 26; // asm-generic/socket.h
// RFC 9293, 3.1: the flags are the 14th byte of a TCP header, at which the filter's data starts.
const FLAGS_AT = 13;
const SYN = 0x02, ACK = 0x10;
const DROP = 0, KEEP = 0xffffffff;

const filter = assemble([
  [BPF_LD_B_ABS, 0, 0, FLAGS_AT],
  [BPF_AND_K, 0, 0, SYN | ACK],
  [BPF_JEQ_K, 0, 1, SYN],
  [BPF_RET_K, 0, 0, DROP],
  [BPF_RET_K, 0, 0, KEEP],
]);

/**
 * Lets nobody begin to connect from here on.
 *
 * @returns Whether it is so; false where the system cannot.
 */
export function refuseNewcomers(listener: number): boolean {
  if (Deno.build.os !== "linux") return false;
  const program = filterProgram(filter);
  return libc.setsockopt(
    listener,
    abi.SOL_SOCKET,
    SO_ATTACH_FILTER,
    program,
    program.length,
  ) === 0;
}
