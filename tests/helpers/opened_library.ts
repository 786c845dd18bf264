/**
 * Opens all functions of the C library that we call. Those that a test is the first to call would look like its leak,
 * where a module of the command line has them opened when they are called.
 *
 * @module
 */
import { openNow } from "../../src/posix/libc.ts";
import { prototypes } from "../../src/posix/prototypes.ts";

openNow(...Object.keys(prototypes) as (keyof typeof prototypes)[]);
