/**
 * Every number of macOS against XNU's headers (xnu-11417.101.15): `headers_test.ts` compares them with the SDK's, where
 * there is one; this holds them everywhere.
 */
import assert from "node:assert/strict";
import { darwin, SIGNALS } from "../../src/posix/abi.ts";
import { test } from "../helpers/testing.ts";

/** `#define NAME VALUE`, by header. */
const HEADERS = `
bsd/sys/socket.h AF_UNIX 1, AF_INET 2, AF_INET6 30, SOCK_STREAM 1, SOCK_DGRAM 2, SOL_SOCKET 0xffff, SO_KEEPALIVE 0x0008,
  SO_SNDTIMEO 0x1005, SO_RCVTIMEO 0x1006, SO_ERROR 0x1007, SO_TYPE 0x1008, SO_NOSIGPIPE 0x1022, MSG_PEEK 0x2, MSG_TRUNC 0x10,
  MSG_CTRUNC 0x20, MSG_DONTWAIT 0x80, SCM_RIGHTS 0x01, SHUT_WR 1, SHUT_RDWR 2
bsd/sys/fcntl.h F_GETFD 1, F_SETFD 2, F_GETFL 3, F_SETFL 4, FD_CLOEXEC 1, O_NONBLOCK 0x00000004
bsd/sys/poll.h POLLIN 0x0001, POLLOUT 0x0004, POLLERR 0x0008, POLLHUP 0x0010, POLLNVAL 0x0020
bsd/sys/signal.h SIG_BLOCK 1, SIGUSR2 31, SIGTERM 15, SIGKILL 9
bsd/sys/resource.h RLIMIT_NPROC 7, RLIMIT_NOFILE 8
libc/time.h CLOCK_MONOTONIC 6
bsd/sys/errno.h EPERM 1, ENOENT 2, ESRCH 3, EINTR 4, EIO 5, E2BIG 7, ENOEXEC 8, EBADF 9, ECHILD 10, ENOMEM 12, EACCES 13,
  EFAULT 14, EBUSY 16, EEXIST 17, ENOTDIR 20, EISDIR 21, EINVAL 22, ENFILE 23, EMFILE 24, ETXTBSY 26, ENOSPC 28, EPIPE 32,
  EAGAIN 35, EINPROGRESS 36, EADDRINUSE 48, EADDRNOTAVAIL 49, ENETUNREACH 51, ECONNABORTED 53, ECONNRESET 54, ENOBUFS 55,
  ENOTCONN 57, ETOOMANYREFS 59, ETIMEDOUT 60, ECONNREFUSED 61, ELOOP 62, ENAMETOOLONG 63, EHOSTUNREACH 65, ENOSYS 78,
  EPROTO 100
`;

test("darwin: every number is that of XNU's headers, and what is 0 is in none of them", () => {
  const theirs = Object.fromEntries(
    [...HEADERS.matchAll(/([A-Z][A-Z0-9_]+) (0x[0-9a-f]+|\d+)/g)].map((
      [, name, value],
    ) => [name!, Number(value)]),
  );
  const { CHANNEL_TYPE, ...numbers } = { ...darwin, ...darwin.errno };
  assert.equal(CHANNEL_TYPE, theirs.SOCK_STREAM);
  const ours = Object.entries({ ...numbers, ...SIGNALS }).filter((
    entry,
  ): entry is [string, number] =>
    /^[A-Z0-9_]+$/.test(entry[0]) && entry[1] !== 0
  );
  assert.deepEqual(Object.fromEntries(ours), theirs);
});
