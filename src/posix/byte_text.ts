/**
 * Bytes as text: arguments, variables and paths are bytes to the system, and need not be UTF-8. A byte that
 * is not stands as a lone surrogate, U+DC80 and up, which no UTF-8 is decoded to; so does Python (PEP 383).
 * JSON keeps such text as it is.
 *
 * @module
 */

// A byte order mark is a part of the text like any other.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const HELD = 0xdc00;
const LONGEST = 4;

/**
 * Decodes any bytes.
 *
 * @param bytes The bytes.
 * @returns Text, from which {@linkcode encodeBytes} makes the same bytes.
 */
export function decodeBytes(bytes: Uint8Array): string {
  const whole = asUtf8(bytes);
  if (whole !== null) return whole;
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const next = characterAt(bytes, at);
    text += next ?? String.fromCharCode(HELD + bytes[at]!);
    at += next === null ? 1 : encoder.encode(next).length;
  }
  return text;
}

/**
 * Encodes text.
 *
 * @returns The bytes.
 */
export function encodeBytes(text: string): Uint8Array<ArrayBuffer> {
  if (text.isWellFormed()) return encoder.encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code >= HELD + 0x80 && code <= HELD + 0xff) bytes.push(code - HELD);
    else bytes.push(...encoder.encode(character));
  }
  return new Uint8Array(bytes);
}

/** The one character that starts there; null where none does. */
function characterAt(bytes: Uint8Array, at: number): string | null {
  for (let length = 1; length <= LONGEST; length++) {
    if (at + length > bytes.length) return null;
    const character = asUtf8(bytes.subarray(at, at + length));
    if (character !== null) return character;
  }
  return null;
}

function asUtf8(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}
