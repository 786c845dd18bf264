/**
 * Imported before any other module of ours that calls the C library, this has its functions opened when they are
 * first called.
 *
 * @module
 */
import { openWhenCalled } from "./libc.ts";

openWhenCalled();
