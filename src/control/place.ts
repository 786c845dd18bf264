/**
 * The place of control sockets: a directory that only their user can write to.
 *
 * @module
 */
import { MAX_UNIX_PATH } from "../posix/net/address.ts";
import { effectiveUser } from "../posix/users.ts";

/** Permission bits of everybody but the owner; of writing by them; and the one that guards `/tmp`. */
const OTHERS = 0o077, OTHERS_WRITE = 0o022, STICKY = 0o1000;
const SUFFIX = ".sock";
/** That of a server which drains, and was replaced. */
const LONGEST_NAME = `unix-${"0".repeat(16)}-4194304${SUFFIX}`;

/** No directory is safe from other users; the message says why. */
class PlaceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PlaceError";
  }
}

/**
 * The directory for control sockets of this user's servers: `mpserv` in `$XDG_RUNTIME_DIR` (`/run/user/UID` where it
 * is not set), else `mpserv-UID` in `$TMPDIR` or `/tmp`. It is made when it is missing; one whose path leaves no room
 * for a socket's name is not used. Throws `PlaceError` when none can be used.
 */
export function controlDirectory(): string {
  const reasons: string[] = [];
  for (const directory of candidates()) {
    const why = make(directory) ?? obstacle(directory);
    if (why === null) return directory;
    reasons.push(`"${directory}": ${why}`);
  }
  throw new PlaceError(
    `Cannot create a control socket in ${
      reasons.join(", ")
    }: use --control PATH or --control none`,
  );
}

/** The directories in which this user's servers may have control sockets, the likeliest first. */
export function controlDirectories(): string[] {
  return candidates().filter((directory) => obstacle(directory) === null);
}

/** The name of a server's control socket. */
export async function controlName(
  address: { readonly port: number } | { readonly path: string },
): Promise<string> {
  if ("port" in address) return `${address.port}${SUFFIX}`;
  // A path may hold a slash, and be longer than what is left of a socket's path.
  const path = await Deno.realPath(address.path).catch(() => address.path);
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(path),
  );
  const head = new Uint8Array(digest, 0, 8).toHex();
  return `unix-${head}${SUFFIX}`;
}

/** The control sockets in a directory, of servers that may be alive or dead. */
export function controlSockets(directory: string): string[] {
  return [...Deno.readDirSync(directory)]
    .filter(({ name }) => name.endsWith(SUFFIX))
    .map(({ name }) => `${directory}/${name}`).sort();
}

function candidates(): string[] {
  const uid = effectiveUser();
  const runtime = Deno.env.get("XDG_RUNTIME_DIR");
  const temporary = Deno.env.get("TMPDIR")?.replace(/\/+$/, "") || "/tmp";
  const runtimes = runtime?.startsWith("/")
    ? runtime.replace(/\/+$/, "")
    : `/run/user/${uid}`;
  const own = `mpserv-${uid}`;
  const wanted = [`${runtimes}/mpserv`, `${temporary}/${own}`];
  const usable = wanted.filter((directory) => !isTooLong(directory));
  return usable.length === wanted.length
    ? wanted
    : [...new Set([...usable, `/tmp/${own}`])];
}

/** Makes a directory; says why it cannot. */
function make(directory: string): string | null {
  try {
    Deno.mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return null;
    if (error instanceof Deno.errors.NotFound) return "no such directory";
    return (error as Error).message;
  }
  return null;
}

/** Whether its path leaves no room for a socket's name. */
function isTooLong(directory: string): boolean {
  return new TextEncoder().encode(`${directory}/${LONGEST_NAME}`).length >
    MAX_UNIX_PATH;
}

/** The way in which another user could add sockets or remove ours; null if there is none. */
function obstacle(directory: string): string | null {
  const uid = effectiveUser();
  try {
    const own = Deno.lstatSync(directory);
    if (!own.isDirectory) return "it is not a directory";
    if (own.uid !== uid) return "it belongs to another user";
    if (own.mode! & OTHERS) return "other users have access to it";
    const above = Deno.statSync(`${directory}/..`);
    if (above.uid !== uid && above.uid !== 0) {
      return "its parent directory belongs to another user";
    }
    if (above.mode! & OTHERS_WRITE && !(above.mode! & STICKY)) {
      return "other users can write to its parent directory";
    }
    return null;
  } catch (error) {
    return error instanceof Deno.errors.NotFound
      ? "no such directory"
      : (error as Error).message;
  }
}
