/**
 * CRC32c, the checksum of RFC 4960, Appendix B.
 *
 * @module
 */

/** The generator polynomial 0x1EDC6F41, its bits in reverse. */
const POLYNOMIAL = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? remainder >>> 1 ^ POLYNOMIAL : remainder >>> 1;
  }
  return remainder;
});

/**
 * Computes the checksum.
 *
 * @param bytes Of what.
 * @returns 32 bits, unsigned.
 */
export function crc32c(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    remainder = remainder >>> 8 ^ table[(remainder ^ byte) & 0xff]!;
  }
  return (remainder ^ 0xffffffff) >>> 0;
}
