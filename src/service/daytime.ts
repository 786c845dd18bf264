/**
 * Daytime (RFC 867): the date and time as text, once; what comes is not looked at.
 *
 * @module
 */
import type { AnyConnection } from "./service.ts";

const DAYS = [
  "Sunday",
  "Monday",
  "Tuesday",
  "Wednesday",
  "Thursday",
  "Friday",
  "Saturday",
];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/**
 * Serves one connection: one line, in the first of the forms that the RFC shows, in UTC.
 */
export function daytime(connection: AnyConnection): void {
  connection.writeSync(
    new TextEncoder().encode(formatDaytime(new Date()) + "\r\n"),
  );
}

/**
 * `Weekday, Month Day, Year Time-Zone`, as in `Tuesday, February 22, 1982 17:37:43-UTC`.
 */
export function formatDaytime(date: Date): string {
  const day = `${DAYS[date.getUTCDay()]}, ${
    MONTHS[date.getUTCMonth()]
  } ${date.getUTCDate()}`;
  return `${day}, ${date.getUTCFullYear()} ${
    date.toISOString().slice(11, 19)
  }-UTC`;
}
