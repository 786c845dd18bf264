/**
 * The numbers and struct layouts of the C interfaces that we call, one table a system. Every line
 * names the header that it comes from. Nothing here runs a system call, so that any row can be
 * tested on any machine.
 *
 * @module
 */
import { ceil, RangeError, SafeBytes, SafeView } from "./intrinsics.ts";

/** Byte offsets inside `struct msghdr` and `struct cmsghdr` and the width of their lengths. */
interface MessageLayout {
  /** `sizeof(struct msghdr)`. */
  readonly size: number;
  /** Offset of `msg_iov`, a pointer. */
  readonly iov: number;
  /** Offset of `msg_iovlen`. */
  readonly iovLength: number;
  /** Offset of `msg_control`, a pointer. */
  readonly control: number;
  /** Offset of `msg_controllen`. */
  readonly controlLength: number;
  /** Offset of `msg_flags`, an `int`. */
  readonly flags: number;
  /** Width in bytes of `msg_iovlen`. */
  readonly iovLengthBytes: 4 | 8;
  /** Width in bytes of `msg_controllen` and `cmsg_len`. */
  readonly controlLengthBytes: 4 | 8;
  /** Offset of `cmsg_level` inside the control message; `cmsg_type` is 4 further. */
  readonly cmsgLevel: number;
  /** Offset of the first byte of the control message's data, `CMSG_DATA`. */
  readonly cmsgData: number;
  /** Control messages start at multiples of this many bytes, `CMSG_ALIGN`. */
  readonly cmsgAlign: number;
}

/** What is the same on every system. */
const everywhere = {
  /** Numbers that POSIX or every system here agrees on. */
  AF_UNIX: 1,
  /** Address family of IPv4. */
  AF_INET: 2,
  /** Socket type: a stream of bytes. */
  SOCK_STREAM: 1,
  /** Socket type: datagrams. */
  SOCK_DGRAM: 2,
  /** `fcntl(2)`: get and set descriptor flags. */
  F_GETFD: 1,
  /** `fcntl(2)`: set descriptor flags. */
  F_SETFD: 2,
  /** `fcntl(2)`: get file status flags. */
  F_GETFL: 3,
  /** `fcntl(2)`: set file status flags. */
  F_SETFL: 4,
  /** Descriptor flag: close on exec. */
  FD_CLOEXEC: 1,
  /** `poll(2)`: there is something to read. */
  POLLIN: 0x01,
  /** `poll(2)`: writing does not block. */
  POLLOUT: 0x04,
  /** `poll(2)`: an error waits. */
  POLLERR: 0x08,
  /** `poll(2)`: the other end is gone. */
  POLLHUP: 0x10,
  /** `poll(2)`: the descriptor is not open. */
  POLLNVAL: 0x20,
  /** `recv(2)`: look at what is there, and leave it there. */
  MSG_PEEK: 2,
  /** `shutdown(2)`: no more sending. */
  SHUT_WR: 1,
  /** `shutdown(2)`: no more of either. */
  SHUT_RDWR: 2,
};

/** The numbers of a system. */
export interface Abi extends Readonly<typeof everywhere> {
  /** The C library, as `dlopen(3)` finds it. */
  readonly library: string;
  /** Whether `struct sockaddr` starts with a length byte (4.4BSD) before an 8-bit family. */
  readonly sockaddrHasLength: boolean;
  /** Address family of IPv6, `AF_INET6`. */
  readonly AF_INET6: number;
  /** Type of the pairs that carry descriptors: message boundaries kept where the system has it. */
  readonly CHANNEL_TYPE: number;
  /** Flag for `socketpair(2)` and `accept4(2)`; 0 where it must be set by `fcntl(2)`. */
  readonly SOCK_CLOEXEC: number;
  /** Level of the socket options below. */
  readonly SOL_SOCKET: number;
  /** The clock that nobody can set. */
  readonly CLOCK_MONOTONIC: number;
  /** Socket option: is it listening? 0 where `getsockopt(2)` does not know it. */
  readonly SO_ACCEPTCONN: number;
  /** Socket option: which type of socket is it? */
  readonly SO_TYPE: number;
  /** Socket option: is a silent peer asked if it is still there? */
  readonly SO_KEEPALIVE: number;
  /** Socket option: `struct timeval` after which a blocking receive gives up. */
  readonly SO_RCVTIMEO: number;
  /** Socket option: `struct timeval` after which a blocking send gives up. */
  readonly SO_SNDTIMEO: number;
  /** Socket option: the error that waits on a socket. */
  readonly SO_ERROR: number;
  /** Socket option: `struct ucred` of the peer; 0 where there is none. */
  readonly SO_PEERCRED: number;
  /** Socket option: no SIGPIPE from this socket; 0 where `MSG_NOSIGNAL` exists instead. */
  readonly SO_NOSIGPIPE: number;
  /** Flag of one `sendmsg(2)`: no SIGPIPE; 0 where `SO_NOSIGPIPE` exists instead. */
  readonly MSG_NOSIGNAL: number;
  /** Flag of one call: do not block. */
  readonly MSG_DONTWAIT: number;
  /** Flag that `recvmsg(2)` returns: control data was cut. */
  readonly MSG_CTRUNC: number;
  /** Flag that `recvmsg(2)` returns: data was cut. */
  readonly MSG_TRUNC: number;
  /** Flag for `recvmsg(2)`: received descriptors are close-on-exec; 0 where `fcntl(2)` must do it. */
  readonly MSG_CMSG_CLOEXEC: number;
  /** Control message type: descriptors. */
  readonly SCM_RIGHTS: number;
  /** Control message type: who sent it, `struct ucred`; 0 where there is none. */
  readonly SCM_CREDENTIALS: number;
  /** File status flag: do not block. */
  readonly O_NONBLOCK: number;
  /** How `sigprocmask(2)` adds signals; to take away and to set are the next two numbers. */
  readonly SIG_BLOCK: number;
  /** The second signal that programs may use as they like. */
  readonly SIGUSR2: number;
  /** Resource: open descriptors. */
  readonly RLIMIT_NOFILE: number;
  /** Resource: processes of a user. */
  readonly RLIMIT_NPROC: number;
  /** Layout of messages with control data. */
  readonly message: MessageLayout;
  /** Error numbers by name, those that we act on or are likely to show. */
  readonly errno: Readonly<Record<string, number>>;
}

/** Error numbers that every Unix has had since its seventh edition: asm-generic/errno-base.h, sys/errno.h. */
const ANCIENT_ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  ENOSPC: 28,
  EPIPE: 32,
};

/** Linux on x86_64 and arm64: both use the generic numbers (asm-generic, bits/socket.h). */
export const linux: Abi = {
  ...everywhere,
  library: "libc.so.6",
  sockaddrHasLength: false, // bits/sockaddr.h
  AF_INET6: 10, // bits/socket.h
  CHANNEL_TYPE: 5, // SOCK_SEQPACKET, bits/socket_type.h
  SOCK_CLOEXEC: 0o2000000, // bits/socket_type.h
  SOL_SOCKET: 1, // asm-generic/socket.h
  CLOCK_MONOTONIC: 1, // linux/time.h
  SO_ACCEPTCONN: 30,
  SO_TYPE: 3,
  SO_KEEPALIVE: 9,
  SO_RCVTIMEO: 20,
  SO_SNDTIMEO: 21,
  SO_ERROR: 4,
  SO_PEERCRED: 17,
  SO_NOSIGPIPE: 0,
  MSG_NOSIGNAL: 0x4000, // bits/socket.h
  MSG_DONTWAIT: 0x40,
  MSG_CTRUNC: 0x08,
  MSG_TRUNC: 0x20,
  MSG_CMSG_CLOEXEC: 0x40000000,
  SCM_RIGHTS: 1,
  SCM_CREDENTIALS: 2,
  O_NONBLOCK: 0o4000, // asm-generic/fcntl.h
  SIG_BLOCK: 0, // asm-generic/signal-defs.h
  SIGUSR2: 12, // asm-generic/signal.h
  RLIMIT_NOFILE: 7, // asm-generic/resource.h
  RLIMIT_NPROC: 6,
  message: { // bits/socket.h: struct msghdr, struct cmsghdr
    size: 56,
    iov: 16,
    iovLength: 24,
    control: 32,
    controlLength: 40,
    flags: 48,
    iovLengthBytes: 8,
    controlLengthBytes: 8,
    cmsgLevel: 8,
    cmsgData: 16,
    cmsgAlign: 8,
  },
  errno: { // asm-generic/errno-base.h, asm-generic/errno.h
    ...ANCIENT_ERRNO,
    EAGAIN: 11,
    ENAMETOOLONG: 36,
    ENOSYS: 38,
    ELOOP: 40,
    EPROTO: 71,
    EADDRINUSE: 98,
    EADDRNOTAVAIL: 99,
    ENETUNREACH: 101,
    ECONNABORTED: 103,
    ECONNRESET: 104,
    ENOBUFS: 105,
    ENOTCONN: 107,
    ETOOMANYREFS: 109,
    ETIMEDOUT: 110,
    ECONNREFUSED: 111,
    EHOSTUNREACH: 113,
    EINPROGRESS: 115,
  },
};

/** macOS on x86_64 and arm64 (the SDK's sys/*.h). */
export const darwin: Abi = {
  ...everywhere,
  library: "libSystem.B.dylib",
  sockaddrHasLength: true, // sys/socket.h
  AF_INET6: 30, // sys/socket.h
  CHANNEL_TYPE: 1, // SOCK_STREAM: AF_UNIX pairs have no SOCK_SEQPACKET there; records are of one size
  SOCK_CLOEXEC: 0, // no such flag, and no accept4(2)
  SOL_SOCKET: 0xffff, // sys/socket.h
  CLOCK_MONOTONIC: 6, // time.h
  SO_ACCEPTCONN: 0, // in the header, but no case of sogetoptlock() in XNU's bsd/kern/uipc_socket.c
  SO_TYPE: 0x1008,
  SO_KEEPALIVE: 0x0008,
  SO_RCVTIMEO: 0x1006,
  SO_SNDTIMEO: 0x1005,
  SO_ERROR: 0x1007,
  SO_PEERCRED: 0,
  SO_NOSIGPIPE: 0x1022,
  MSG_NOSIGNAL: 0,
  MSG_DONTWAIT: 0x80,
  MSG_CTRUNC: 0x20,
  MSG_TRUNC: 0x10,
  MSG_CMSG_CLOEXEC: 0,
  SCM_RIGHTS: 1,
  SCM_CREDENTIALS: 0,
  O_NONBLOCK: 0x0004, // sys/fcntl.h
  SIG_BLOCK: 1, // sys/signal.h
  SIGUSR2: 31,
  RLIMIT_NOFILE: 8, // sys/resource.h
  RLIMIT_NPROC: 7,
  message: { // sys/socket.h: struct msghdr, struct cmsghdr
    size: 48,
    iov: 16,
    iovLength: 24,
    control: 32,
    controlLength: 40,
    flags: 44,
    iovLengthBytes: 4,
    controlLengthBytes: 4,
    cmsgLevel: 4,
    cmsgData: 12,
    cmsgAlign: 4,
  },
  errno: { // sys/errno.h
    ...ANCIENT_ERRNO,
    EAGAIN: 35,
    EINPROGRESS: 36,
    EADDRINUSE: 48,
    EADDRNOTAVAIL: 49,
    ENETUNREACH: 51,
    ECONNABORTED: 53,
    ECONNRESET: 54,
    ENOBUFS: 55,
    ENOTCONN: 57,
    ETOOMANYREFS: 59,
    ETIMEDOUT: 60,
    ECONNREFUSED: 61,
    ELOOP: 62,
    ENAMETOOLONG: 63,
    EHOSTUNREACH: 65,
    ENOSYS: 78,
    EPROTO: 100,
  },
};

/** Signals by name, with the numbers that they have everywhere: signal(7). */
export const SIGNALS = { SIGTERM: 15, SIGKILL: 9 } as const;

/**
 * How many words come between the last named argument and the first of `...` when a variadic function is called as one
 * with fixed arguments. Apple's arm64 passes the latter on the stack ("Writing ARM64 code for Apple platforms"): the
 * registers x2 to x7 are filled first. Everywhere else here both go the same way.
 */
export function variadicPadding(
  build: { readonly os: string; readonly arch: string },
): 0 | 6 {
  return build.os === "darwin" && build.arch === "aarch64" ? 6 : 0;
}

/** The table of the system that this runs on. */
export const abi: Abi = Deno.build.os === "darwin" ? darwin : linux;

/*
 * Small buffers that C functions read and write, side by side. In a forked process the first write to
 * a page copies it: a dozen buffers wherever the allocator had room would cost a dozen pages a child,
 * and the zygote as many after each fork; side by side they cost one or two.
 */

const PAGE = 4096;
const ALIGNMENT = 8; // of the widest number in any structure of ours

let page = new SafeBytes(0);
let used = 0;

/**
 * Takes room for a buffer that lasts as long as the process. `size`: in bytes, at most a page. Throws `RangeError`
 * when it is larger than a page.
 */
export function scratch(size: number): Uint8Array<ArrayBuffer> {
  if (size > PAGE) {
    throw new RangeError(`Cannot take ${size} bytes of a page of ${PAGE}`);
  }
  if (used + size > page.length) {
    page = alignedPage();
    used = 0;
  }
  const start = used;
  used += ceil(size / ALIGNMENT) * ALIGNMENT;
  return page.subarray(start, start + size);
}

/** The same memory, seen as numbers. */
export function viewOf(bytes: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  return new SafeView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Where bytes are. Safety: valid while somebody holds them; for one synchronous call, or for as long as they last. */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
}

function alignedPage(): Uint8Array<ArrayBuffer> {
  const room = new SafeBytes(2 * PAGE);
  const past = pastPage(room);
  const start = past === 0 ? 0 : PAGE - past;
  return room.subarray(start, start + PAGE);
}

/** Any where FFI permission was given up before, which costs a page more. */
function pastPage(room: Uint8Array<ArrayBuffer>): number {
  try {
    return Number(addressOf(room) % BigInt(PAGE));
  } catch {
    return 0;
  }
}
