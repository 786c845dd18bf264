/**
 * Asks the kernel about TCP connections of other processes, without touching them: socket
 * diagnostics over netlink (sock_diag(7)), as `ss -ti` asks for them. It needs no privilege. Linux only.
 *
 * The numbers and struct layouts of Linux's socket diagnostics: netlink(7), sock_diag(7). They are the
 * same on every machine; all fields are in the machine's byte order, but ports and addresses.
 *
 * @module
 */
import { abi } from "../abi.ts";
import { check, PosixError } from "../errno.ts";
import { Fd } from "../fd.ts";
import { read, write } from "../io.ts";
import { cLibrary } from "../libc.ts";
import { decodeAddress, formatAddress } from "./address.ts";
import { setTimeouts, withZone } from "./sockets.ts";

/** `socket(2)`: address family, linux/socket.h. */
const AF_NETLINK = 16;
/** `socket(2)`: type. */
const SOCK_RAW = 3;
/** `socket(2)`: protocol, linux/netlink.h. */
const NETLINK_SOCK_DIAG = 4;

/** `struct nlmsghdr`, linux/netlink.h: {u32 len; u16 type; u16 flags; u32 seq; u32 pid}. */
const HEAD = { size: 16, type: 4, flags: 6 } as const;
/** Message type: an error number follows, negative. */
const NLMSG_ERROR = 2;
/** Message type: the last one. */
const NLMSG_DONE = 3;
/** Message type of a request and of each answer, linux/sock_diag.h. */
const SOCK_DIAG_BY_FAMILY = 20;
/** `NLM_F_REQUEST | NLM_F_DUMP`: all that match. */
const NLM_F_REQUEST_DUMP = 0x301;

/**
 * `struct inet_diag_sockid`, linux/inet_diag.h: {be16 sport; be16 dport; be32 src[4]; be32 dst[4]; u32 if;
 * u32 cookie[2]}.
 */
const SOCKET_ID = {
  localPort: 0,
  remotePort: 2,
  localAddress: 4,
  remoteAddress: 20,
  interface: 36,
} as const;

/** `struct inet_diag_req_v2`: {u8 family; u8 protocol; u8 ext; u8 pad; u32 states; sockid id}. */
const REQUEST = {
  size: 56,
  family: 0,
  protocol: 1,
  extensions: 2,
  states: 4,
  id: 8,
} as const;

/** `struct inet_diag_msg`: {u8 family; u8 state; u8 timer; u8 retrans; sockid id; …}, then attributes. */
const ANSWER = {
  size: 72,
  family: 0,
  state: 1,
  id: 4,
  waiting: 56,
  uid: 64,
} as const;

/** `struct rtattr`, linux/rtnetlink.h: {u16 len; u16 type}; each starts at a multiple of 4. */
const ATTRIBUTE = { size: 4, type: 2, align: 4 } as const;
/** Attribute: `struct tcp_info`; a request asks for it by the bit of its number less one. */
const INET_DIAG_INFO = 2;
/** Protocol, netinet/in.h. */
const IPPROTO_TCP = 6;

/** `struct tcp_info`, linux/tcp.h: what is read of it; times are in milliseconds. */
const TCP_INFO = {
  lastDataSent: 44, // u32
  lastDataReceived: 52, // u32
  bytesAcked: 120, // u64, Linux 4.1
  bytesReceived: 128, // u64
} as const;

/** States of a TCP connection, net/tcp_states.h. */
const TCP_STATE = {
  ESTABLISHED: 1,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  CLOSING: 11,
} as const;

/** The state of a listening socket, of which a backlog is told in place of bytes. */
const TCP_LISTEN = 10;

const libc = cLibrary("socket");

/** One TCP connection, as the kernel sees this end of it. */
export interface TcpConnection {
  /** Milliseconds since data last came from the peer, or since the connection began. */
  readonly sinceReceived: number;
  /** Milliseconds since data last went to the peer, or since the connection began. */
  readonly sinceSent: number;
  /** Bytes that came from the peer, read or not. */
  readonly bytesIn: number;
  /** Bytes that went to the peer, and that it has acknowledged. */
  readonly bytesOut: number;
  /** Whether the peer has ended its side: no more bytes will come. */
  readonly peerEnded: boolean;
}

/** The kernel answers at once; a system that does not must not hang us. In milliseconds. */
const PATIENCE = 1_000;

/** All but handshakes, as bits. */
const STATES = Object.values(TCP_STATE).reduce((bits, n) => bits | 1 << n, 0) &
  ~(1 << TCP_STATE.SYN_RECV);
/** States in which the peer's FIN has come: the kernel counts it as a byte received. */
const PEER_ENDED: readonly number[] = [
  TCP_STATE.CLOSE_WAIT,
  TCP_STATE.LAST_ACK,
  TCP_STATE.CLOSING,
];
const WILDCARDS = ["0.0.0.0", "::"];

/** Whether this system has socket diagnostics. */
export const hasSocketDiagnostics: boolean = Deno.build.os === "linux";

/**
 * Every established TCP connection of a listener, also those that wait in its backlog, by peer. Throws `PosixError`
 * when the system refuses, or has no socket diagnostics.
 */
export function tcpConnections(
  listener: Deno.NetAddr,
): Map<string, TcpConnection> {
  const found = new Map<string, TcpConnection>();
  for (const answer of ask(listener, STATES)) {
    collect(found, answer);
  }
  return found;
}

/**
 * How many clients have begun to connect and have not finished: their SYN has been answered, and their answer to that
 * has not come (RFC 9293, 3.5). The kernel keeps no note of those that it answers with a SYN cookie, which it does
 * when they are too many. Throws `PosixError` as {@linkcode tcpConnections}.
 */
export function handshakes(listener: Deno.NetAddr): number {
  return [...ask(listener, 1 << TCP_STATE.SYN_RECV)].length;
}

/**
 * How many connections wait in a listener's backlog, whole and not accepted yet. Throws `PosixError` as
 * {@linkcode tcpConnections}.
 */
export function backlog(listener: Deno.NetAddr): number {
  let waiting = 0;
  for (const answer of ask(listener, 1 << TCP_LISTEN)) {
    waiting += answer.getUint32(ANSWER.waiting, true);
  }
  return waiting;
}

/**
 * The user of the socket at one end of a connection on this machine. `end`: that end. `other`: the other end. Returns
 * the user id; null where the system does not say.
 */
export function tcpUser(end: Deno.NetAddr, other: Deno.NetAddr): number | null {
  if (!hasSocketDiagnostics) return null;
  for (const answer of ask(end, STATES, BOTH)) {
    const peer = addressAt(
      answer,
      SOCKET_ID.remotePort,
      SOCKET_ID.remoteAddress,
    );
    if (formatAddress(peer) === formatAddress(other)) {
      return answer.getUint32(ANSWER.uid, true);
    }
  }
  return null;
}

/** A socket of IPv6 may have IPv4 peers. */
const BOTH: readonly number[] = [abi.AF_INET, abi.AF_INET6];

/** The families of a listener's connections: each costs a walk through all connections of the system. */
function familiesOf({ hostname }: Deno.NetAddr): readonly number[] {
  return hostname.includes(":") ? BOTH : [abi.AF_INET];
}

/** Iterates over a listener's connections in some states; each is valid until the next one. */
function* ask(
  listener: Deno.NetAddr,
  states: number,
  families = familiesOf(listener),
): Generator<DataView<ArrayBuffer>> {
  using socket = new Fd(
    check(
      libc.socket(AF_NETLINK, SOCK_RAW | abi.SOCK_CLOEXEC, NETLINK_SOCK_DIAG),
      "socket",
    ),
  );
  setTimeouts(socket.number, PATIENCE);
  const { hostname, port } = listener;
  for (const family of families) {
    write(socket.number, request(family, port, states));
    for (const answer of answers(socket)) {
      const local = addressAt(
        answer,
        SOCKET_ID.localPort,
        SOCKET_ID.localAddress,
      );
      const isOurs = WILDCARDS.includes(hostname) ||
        local.hostname === hostname;
      if (isOurs) yield answer;
    }
  }
}

function request(
  family: number,
  port: number,
  states: number,
): Uint8Array<ArrayBuffer> {
  const message = new DataView(new ArrayBuffer(HEAD.size + REQUEST.size));
  message.setUint32(0, message.byteLength, true);
  message.setUint16(HEAD.type, SOCK_DIAG_BY_FAMILY, true);
  message.setUint16(HEAD.flags, NLM_F_REQUEST_DUMP, true);
  const body = HEAD.size;
  message.setUint8(body + REQUEST.family, family);
  message.setUint8(body + REQUEST.protocol, IPPROTO_TCP);
  message.setUint8(body + REQUEST.extensions, 1 << (INET_DIAG_INFO - 1));
  message.setUint32(body + REQUEST.states, states, true);
  message.setUint16(body + REQUEST.id + SOCKET_ID.localPort, port);
  return new Uint8Array(message.buffer);
}

/** The bodies of the messages up to the last. */
function* answers({ number }: Fd): Generator<DataView<ArrayBuffer>> {
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const count = read(number, buffer);
    if (count < 0) throw new PosixError("recv", abi.errno.ETIMEDOUT!);
    const messages = new DataView(buffer.buffer, 0, count);
    for (let at = 0; at + HEAD.size <= count;) {
      const length = messages.getUint32(at, true);
      const type = messages.getUint16(at + HEAD.type, true);
      const body = new DataView(
        buffer.buffer,
        at + HEAD.size,
        length - HEAD.size,
      );
      if (type === NLMSG_DONE) return;
      if (type === NLMSG_ERROR) {
        throw new PosixError("sock_diag", -body.getInt32(0, true));
      }
      if (type === SOCK_DIAG_BY_FAMILY) yield body;
      at += align(length);
    }
  }
}

function collect(
  found: Map<string, TcpConnection>,
  answer: DataView<ArrayBuffer>,
): void {
  const info = attribute(answer, INET_DIAG_INFO);
  if (!info || info.byteLength < TCP_INFO.bytesReceived + 8) return;
  const state = answer.getUint8(ANSWER.state);
  const peer = addressAt(
    answer,
    SOCKET_ID.remotePort,
    SOCKET_ID.remoteAddress,
  );
  const peerEnded = PEER_ENDED.includes(state);
  // A FIN has a number of its own in the sequence, and the kernel counts by these.
  const ourFin = state === TCP_STATE.FIN_WAIT2 ? 1 : 0;
  found.set(formatAddress(peer), {
    sinceReceived: info.getUint32(TCP_INFO.lastDataReceived, true),
    sinceSent: info.getUint32(TCP_INFO.lastDataSent, true),
    bytesIn: count(info, TCP_INFO.bytesReceived, peerEnded ? 1 : 0),
    bytesOut: count(info, TCP_INFO.bytesAcked, ourFin),
    peerEnded,
  });
}

function addressAt(
  answer: DataView<ArrayBuffer>,
  portAt: number,
  addressAt: number,
): Deno.NetAddr {
  const family = answer.getUint8(ANSWER.family);
  const [size, start] = family === abi.AF_INET ? [4, 4] : [16, 8];
  // struct sockaddr_in {u16 family; be16 port; be32 addr; …}, sockaddr_in6 {…; u32 flow; u8 addr[16]; u32 scope}
  const sockaddr = new DataView(new ArrayBuffer(28));
  sockaddr.setUint16(0, family, true);
  sockaddr.setUint16(2, answer.getUint16(ANSWER.id + portAt));
  const from = answer.byteOffset + ANSWER.id + addressAt;
  const bytes = new Uint8Array(sockaddr.buffer);
  bytes.set(new Uint8Array(answer.buffer, from, size), start);
  const scope = answer.getUint32(ANSWER.id + SOCKET_ID.interface, true);
  if (size === 16) sockaddr.setUint32(24, scope, true);
  return decodeAddress(withZone(bytes)) as Deno.NetAddr;
}

function attribute(
  answer: DataView<ArrayBuffer>,
  wanted: number,
): DataView<ArrayBuffer> | undefined {
  for (let at = ANSWER.size; at + ATTRIBUTE.size <= answer.byteLength;) {
    const length = answer.getUint16(at, true);
    if (length < ATTRIBUTE.size) return undefined;
    if (answer.getUint16(at + ATTRIBUTE.type, true) === wanted) {
      const start = answer.byteOffset + at + ATTRIBUTE.size;
      return new DataView(answer.buffer, start, length - ATTRIBUTE.size);
    }
    at += align(length);
  }
  return undefined;
}

function count(info: DataView, at: number, fin: number): number {
  return Math.max(0, Number(info.getBigUint64(at, true)) - fin);
}

function align(length: number): number {
  return Math.ceil(length / ATTRIBUTE.align) * ATTRIBUTE.align;
}
