/**
 * The variables by which a service manager talks to us: systemd, and whatever speaks as it does
 * (sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)).
 *
 * @module
 */

/** Their names. */
export const MANAGER_VARIABLES = [
  "LISTEN_PID",
  "LISTEN_FDS",
  "LISTEN_FDNAMES",
  "NOTIFY_SOCKET",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
] as const;

/** Their values, those that are set. */
export type ManagerVariables = Readonly<
  Partial<Record<typeof MANAGER_VARIABLES[number], string>>
>;

/**
 * Takes them out of the environment, since they are for this process alone: no process and no program that is started
 * from here may take itself for the service. Returns their values; null when none is set.
 */
export function takeManagerVariables(): ManagerVariables | null {
  const set = MANAGER_VARIABLES.flatMap((name) => {
    const value = Deno.env.get(name);
    if (value === undefined) return [];
    Deno.env.delete(name);
    return [[name, value] as const];
  });
  return set.length === 0 ? null : Object.fromEntries(set);
}
