/**
 * How much is logged, and how it looks; apart from the log, so that asking for it loads nothing.
 *
 * @module
 */

/** The levels that can be asked for. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
/** One of {@linkcode LOG_LEVELS}. */
export type LogChoice = typeof LOG_LEVELS[number];
/** How a line looks. */
export const LOG_FORMATS = ["text", "json"] as const;
/** One of {@linkcode LOG_FORMATS}. */
export type LogFormat = typeof LOG_FORMATS[number];
