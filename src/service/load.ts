/**
 * The built-in services by name, and handlers by module.
 *
 * @module
 */
import { kindOf } from "../posix/intrinsics.ts";
import type { SERVICE_NAMES, ServiceChoice } from "../wire/choices.ts";
import type { Program } from "./program.ts";
import type { AnyService, ConnectionAddress, Service } from "./service.ts";

export interface LoadedService {
  /** The service, or the program that a process becomes in its place. */
  readonly serve: AnyService | Program;
  /** Whether it may use the event loop; built-in ones and programs do not. */
  readonly asynchronous: boolean;
}

/** A service of ours, or a program: what runs no code of a person's in this process. */
type OwnChoice = Exclude<ServiceChoice, { readonly module: string }>;

/** Runs a handler's module and returns its exports. */
type LoadModule = () => Promise<{ readonly default?: unknown }>;

/** Loads one service of ours, and nothing of the others. */
export async function loadService(choice: OwnChoice): Promise<LoadedService> {
  if ("program" in choice) {
    const { Program } = await import("./program.ts");
    return { serve: new Program(choice.program), asynchronous: false };
  }
  return { serve: await loadBuiltIn(choice.name), asynchronous: false };
}

async function loadBuiltIn(
  name: typeof SERVICE_NAMES[number],
): Promise<AnyService> {
  switch (name) {
    case "echo":
      return (await import("./echo.ts")).echo;
    case "discard":
      return (await import("./classic.ts")).discard;
    case "daytime":
      return (await import("./classic.ts")).daytime;
    case "chargen":
      return (await import("./classic.ts")).chargen;
    case "time":
      return (await import("./classic.ts")).time;
  }
}

/** Loads a handler. Throws `TypeError` when it has no default export to call; and whatever the module throws. */
export async function loadHandler(load: LoadModule): Promise<LoadedService> {
  const { default: handler } = await load();
  const why = unfit(handler);
  if (why === undefined) return loaded(handler as Service<ConnectionAddress>);
  throw new TypeError(
    `it has ${why}: export a function that takes the connection, as in \`export default async function handler(conn) { … }\``,
  );
}

/**
 * It has no prototype, of which a promise would ask whether it is one, too. What the built-in services have
 * beside the connection is not the handler's.
 */
function loaded(handler: Service<ConnectionAddress>): LoadedService {
  const serve: AnyService = (connection) => handler(connection);
  return { __proto__: null, serve, asynchronous: true } as LoadedService;
}

/** Describes a default export that is no handler; undefined if it is one. */
function unfit(handler: unknown): string | undefined {
  if (typeof handler !== "function") {
    return "no default export that is a function";
  }
  const kind = kindOf(handler);
  const isGenerator = kind === "[object GeneratorFunction]" ||
    kind === "[object AsyncGeneratorFunction]";
  if (isGenerator) {
    return "a generator as its default export, which would not run";
  }
  // Alone among functions, classes cannot have another prototype.
  return isClass(handler)
    ? "a class as its default export, which cannot be called"
    : undefined;
}

const { getOwnPropertyDescriptor } = Object;

function isClass(handler: object): boolean {
  const prototype = getOwnPropertyDescriptor(handler, "prototype");
  return prototype !== undefined && prototype.writable === false;
}
