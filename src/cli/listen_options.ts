/**
 * The options of `mpserv serve` that say which sockets of others it serves.
 *
 * @module
 */
import { Option } from "@commander-js/extra-typings";
import { named } from "./arguments.ts";

/** What was typed of them. */
export interface ListenOptions {
  /** The name of the socket to serve, of those that a service manager passed. */
  fdName?: string | undefined;
}

/** `--fd-name`. */
export const fdNameOption = () =>
  new Option(
    "--fd-name <name>",
    "of the sockets that systemd passed, serve the one of this FileDescriptorName",
  ).argParser(named("--fd-name"));
