/**
 * The header of the PROXY protocol: what a proxy says, before the client's first byte, of who the
 * client is. Versions 1 and 2, after HAProxy's "The PROXY protocol" of 2020/03/05; the numbers in
 * these files are its sections.
 *
 * @module
 */

/**
 * Bytes of the longest header that is read. The specification wants headers to fit into 536 bytes
 * (2), its length field (2.2) can say 65,551; what proxies add of certificates lies in between.
 */
export const MAX_HEADER = 4096;

/** A header that was read. */
export interface ProxyHeader {
  /** How many bytes it has: the client's own begin behind it. */
  readonly length: number;
  /**
   * The client's `struct sockaddr`; null where the header names no address that is meant to be used
   * (`UNKNOWN`, LOCAL, UNSPEC), so that the connection's own holds.
   */
  readonly source: Uint8Array<ArrayBuffer> | null;
}

/** What came is no header: the connection is to be closed (2.1, 2.2). */
export class ProxyHeaderError extends Error {
  /**
   * Makes one.
   *
   * @param why What is wrong with it.
   */
  constructor(why: string) {
    super(why);
    this.name = "ProxyHeaderError";
  }
}
