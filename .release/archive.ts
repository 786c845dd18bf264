/**
 * Archives that depend on nothing but their files: names sorted, one date, no user of this machine.
 *
 * @module
 */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { createTar } from "nanotar";

/** A file of an archive. */
export interface ArchiveFile {
  /** Its path in the archive. */
  readonly name: string;
  /** What is in it. */
  readonly data: Uint8Array;
  /** Whether it is a program. */
  readonly executable?: boolean;
}

const UNKNOWN_SYSTEM = 255; // RFC 1952, 2.3.1: OS
const OS_AT = 9;

/**
 * Makes a `.tar.gz`.
 *
 * @param files What is in it.
 * @param date The date of every file.
 * @returns The archive.
 */
export async function makeArchive(
  files: readonly ArchiveFile[],
  date: Date,
): Promise<Uint8Array> {
  const sorted = files.toSorted((a, b) => a.name < b.name ? -1 : 1);
  const tar = createTar(
    sorted.map(({ name, data, executable }) => ({
      name,
      data,
      attrs: { mode: executable ? "755" : "644" },
    })),
    { attrs: { uid: 0, gid: 0, user: "", group: "", mtime: date.getTime() } },
  );
  const archive = await promisify(gzip)(tar) as Uint8Array;
  archive[OS_AT] = UNKNOWN_SYSTEM;
  return archive;
}

/**
 * A line as `sha256sum` writes it.
 *
 * @param name The file's name.
 * @param data What is in it.
 * @returns The line, with its end.
 */
export async function checksumLine(
  name: string,
  data: Uint8Array,
): Promise<string> {
  const digest = await crypto.subtle.digest(
    "SHA-256",
    data as Uint8Array<ArrayBuffer>,
  );
  return `${new Uint8Array(digest).toHex()}  ${name}\n`;
}
