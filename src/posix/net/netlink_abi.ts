/**
 * The numbers and struct layouts of Linux's socket diagnostics: netlink(7), sock_diag(7). They are the
 * same on every machine; all fields are in the machine's byte order, but ports and addresses.
 *
 * @module
 */

/** `socket(2)`: address family, linux/socket.h. */
export const AF_NETLINK = 16;
/** `socket(2)`: type. */
export const SOCK_RAW = 3;
/** `socket(2)`: protocol, linux/netlink.h. */
export const NETLINK_SOCK_DIAG = 4;

/** `struct nlmsghdr`, linux/netlink.h: {u32 len; u16 type; u16 flags; u32 seq; u32 pid}. */
export const HEAD = { size: 16, type: 4, flags: 6 } as const;
/** Message type: an error number follows, negative. */
export const NLMSG_ERROR = 2;
/** Message type: the last one. */
export const NLMSG_DONE = 3;
/** Message type of a request and of each answer, linux/sock_diag.h. */
export const SOCK_DIAG_BY_FAMILY = 20;
/** `NLM_F_REQUEST | NLM_F_DUMP`: all that match. */
export const NLM_F_REQUEST_DUMP = 0x301;

/**
 * `struct inet_diag_sockid`, linux/inet_diag.h: {be16 sport; be16 dport; be32 src[4]; be32 dst[4]; u32 if;
 * u32 cookie[2]}.
 */
export const SOCKET_ID = {
  localPort: 0,
  remotePort: 2,
  localAddress: 4,
  remoteAddress: 20,
  interface: 36,
} as const;

/** `struct inet_diag_req_v2`: {u8 family; u8 protocol; u8 ext; u8 pad; u32 states; sockid id}. */
export const REQUEST = {
  size: 56,
  family: 0,
  protocol: 1,
  extensions: 2,
  states: 4,
  id: 8,
} as const;

/** `struct inet_diag_msg`: {u8 family; u8 state; u8 timer; u8 retrans; sockid id; …}, then attributes. */
export const ANSWER = { size: 72, family: 0, state: 1, id: 4 } as const;

/** `struct rtattr`, linux/rtnetlink.h: {u16 len; u16 type}; each starts at a multiple of 4. */
export const ATTRIBUTE = { size: 4, type: 2, align: 4 } as const;
/** Attribute: `struct tcp_info`; a request asks for it by the bit of its number less one. */
export const INET_DIAG_INFO = 2;
/** Protocol, netinet/in.h. */
export const IPPROTO_TCP = 6;

/** `struct tcp_info`, linux/tcp.h: what is read of it; times are in milliseconds. */
export const TCP_INFO = {
  lastDataSent: 44, // u32
  lastDataReceived: 52, // u32
  bytesAcked: 120, // u64, Linux 4.1
  bytesReceived: 128, // u64
} as const;

/** States of a TCP connection, net/tcp_states.h. */
export const TCP_STATE = {
  ESTABLISHED: 1,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  CLOSING: 11,
} as const;
