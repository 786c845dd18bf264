/** Tells its client what it may do: by what the runtime says, and by trying. */
import type { Connection } from "../../../src/mod.ts";

/** An action for each kind of permission; it may fail for other reasons. */
const ATTEMPTS: Readonly<Record<string, () => unknown>> = {
  net: () => Deno.connect({ hostname: "127.0.0.1", port: 1 }),
  read: () => Deno.readTextFileSync("/etc/hostname"),
  write: () => Deno.writeTextFileSync("/dev/null", ""),
  env: () => Deno.env.get("HOME"),
  run: () => new Deno.Command("/bin/true").outputSync(),
  sys: () => Deno.hostname(),
  ffi: () => Deno.dlopen("libc.so.6", {}).close(),
  // The name is computed, or it would be looked at before this runs.
  import: () => import(["http://127.0.0.1:1", "none.js"].join("/")),
};

/** Sends JSON: for each kind what was answered, and whether permission was missing. */
export default async function tell(connection: Connection): Promise<void> {
  const found: Record<string, [state: string, used: string]> = {};
  for (const [name, attempt] of Object.entries(ATTEMPTS)) {
    const { state } = Deno.permissions.querySync(
      { name } as Deno.PermissionDescriptor,
    );
    found[name] = [state, await outcome(attempt)];
  }
  const bytes = new TextEncoder().encode(JSON.stringify(found));
  await connection.write(bytes);
}

async function outcome(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
    return "used";
  } catch (error) {
    const text = String(error);
    // A compiled program imports nothing over the network: what is not in it is not found.
    return /NotCapable|Requires \w+ access|Module not found/.test(text)
      ? "denied"
      : "used";
  }
}
