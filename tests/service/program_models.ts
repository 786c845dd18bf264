/** The process models that programs can be served with. */
import { type Model, models } from "../helpers/server.ts";

/** Those of `models()` that start a process for every connection. */
export function programModels(): Model[] {
  return models().filter((name) => name !== "pool");
}
