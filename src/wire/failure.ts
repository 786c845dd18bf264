/**
 * Why a process cannot serve, in a form that the parent decides by.
 *
 * @module
 */
import { Error, isA } from "../posix/intrinsics.ts";
import type { Failure } from "./records.ts";

/** Threads are at work for too long. */
export class RestlessError extends Error {
  /** What it is called. */
  override name = "RestlessError";
}

/** The module cannot be used, in any process. */
export class HandlerError extends Error {
  /** What it is called. */
  override name = "HandlerError";
}

/** The sandbox that was asked for cannot be had, in any process. */
export class SandboxError extends Error {
  /** What it is called. */
  override name = "SandboxError";
}

/** The machine is too busy at this moment. */
export class SlowError extends Error {
  /** What it is called. */
  override name = "SlowError";
}

/** What kind of failure an error is, where a process starts. */
export function failureOf(error: unknown): Failure {
  if (isA(error, HandlerError)) return "handler";
  if (isA(error, SlowError) || isA(error, RestlessError)) return "slow";
  return isA(error, SandboxError) ? "sandbox" : "system";
}
