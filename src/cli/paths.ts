/**
 * Paths, without Node's modules, which take long to load.
 *
 * @module
 */

/**
 * A path from the root, with no `.` and `..` in it.
 *
 * @returns The same file, unless a `..` follows a symbolic link.
 */
export function absolute(path: string): string {
  const parts: string[] = [];
  const whole = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  for (const part of whole.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
