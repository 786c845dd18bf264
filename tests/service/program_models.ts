/** The process models that programs can be served with. */
import { anyModel, type Model, models } from "../helpers/server.ts";

/** Those of `models()` that start a process for every connection. */
export function programModels(): Model[] {
  return models().filter((name) => name !== "pool");
}

/** Those of `anyModel()` that do. */
export function anyProgramModel(): Model[] {
  return anyModel().filter((name) => name !== "pool");
}
