/**
 * Translates the grants of a handler, or a built-in service, to rules of Landlock.
 * Deno's permissions say the same of JavaScript, and more finely; these rules hold for machine code, too.
 *
 * Beside what was granted stands what the runtime itself opens while a handler runs, none of which tells
 * about anybody: its caches, the handler's own project, the time zone, a few numbers of the machine. Of
 * `/proc` a process sees itself at most: the others' command lines and connections are not its business.
 *
 * @module
 */
import type { onEveryThread } from "../posix/every_thread.ts";
import {
  enterDomain,
  type FileAccess,
  makeRuleset,
  type Reach,
} from "../posix/landlock.ts";
import { readProcFile, readProcLink } from "../posix/proc.ts";
import { type ChildOptions, rootsOf } from "../wire/child_options.ts";

type Calls = Parameters<typeof onEveryThread>[1];

/** Where files are that a service needs. */
interface Places {
  /** Files and directories of the handler's project. */
  readonly project: readonly string[];
  /** Files and directories of the runtime and of this program. */
  readonly runtime: readonly string[];
  /** Where relative paths start. */
  readonly directory: string;
  /** Where programs are looked for. */
  readonly path: readonly string[];
}

/** Read by the runtime and the C library, whatever the handler does. */
const ALWAYS = [
  ...["/dev/null", "/dev/urandom", "/dev/random", "/dev/zero"],
  ...["/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"],
  // Of a forked process: its zygote's. Not all of it: the machine's connections are in /proc/self/net.
  ...["cgroup", "fd", "limits", "maps", "pagemap", "smaps", "stat", "statm"]
    .map((name) => `/proc/self/${name}`),
  "/proc/self/status",
  ...["/proc/meminfo", "/proc/sys/vm/overcommit_memory"],
  "/sys/devices/system/cpu",
];
const NULL_DEVICE = "/dev/null";
/** Shared libraries, and how the loader finds them: ld.so(8). */
const LIBRARIES = [
  ...["/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32"],
  ...["/usr/lib64", "/usr/libx32", "/usr/local/lib", "/usr/local/lib64"],
  ...["/nix/store", "/gnu/store"],
  ...["/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/ld-musl-x86_64.path"],
];
/** The directories that all programs of the system use. */
const PROGRAMS = [
  ...["/bin", "/sbin", "/usr", "/lib", "/lib32", "/lib64", "/libx32"],
  ...["/nix/store", "/gnu/store", "/snap"],
];
/** The files of name lookup, and the trusted certificates. */
const NETWORK = [
  ...["/etc/resolv.conf", "/run/systemd/resolve", "/etc/hosts"],
  ...["/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"],
  ...["/etc/services", "/etc/protocols"],
  ...["/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf"],
  ...["/etc/pki/tls/certs", "/etc/pki/tls/openssl.cnf"],
  ...["/etc/pki/ca-trust/extracted", "/usr/share/ca-certificates"],
  ...["/usr/local/share/ca-certificates", "/var/lib/ca-certificates"],
];
/** The files that `--grant sys` reads. */
const SYSTEM = [
  ...["/proc", "/sys", "/etc/hostname", "/etc/os-release"],
  ...["/usr/lib/os-release", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf"],
];
const DNS = 53;

/** Grants as rules. */
export function reachOf(grants: readonly string[], places: Places): Reach {
  const values = (kind: string) => valuesOf(grants, kind);
  const files: Reach["files"][number][] = [];
  const allow = (paths: readonly string[], ...access: FileAccess[]) => {
    files.push(...paths.map((path) => ({ path, access })));
  };
  const granted = (kind: string, whole: string) =>
    values(kind)?.map((path) => absolute(path || whole, places.directory)) ??
      [];
  allow([...ALWAYS, ...places.runtime, ...places.project], "read");
  allow([NULL_DEVICE], "write");
  allow(granted("read", "/"), "read");
  for (const path of granted("write", "/")) {
    files.push({ path, access: ["write"], orDirectory: true });
  }
  const run = values("run");
  if (run) {
    // The rules are the same for every program; only Deno distinguishes them by name.
    allow([...PROGRAMS, ...places.path, ...LIBRARIES], "execute", "read");
    const named = run.filter((name) => name.includes("/"));
    allow(named.map((name) => absolute(name, places.directory)), "execute");
  }
  if (values("ffi")) allow(LIBRARIES, "read");
  const sys = values("sys");
  if (sys) allow(SYSTEM, "read");
  const net = values("net");
  if (net) allow([...NETWORK, ...LIBRARIES], "read");
  const ports = net ? portsOf(net) : [];
  return { files, connect: ports && withDns(ports), bind: ports };
}

/** The values granted for a kind: `""` for the whole kind; undefined for none. */
function valuesOf(
  grants: readonly string[],
  kind: string,
): string[] | undefined {
  if (grants.includes(kind)) return [""];
  const lists = grants.filter((grant) => grant.startsWith(`${kind}=`));
  if (lists.length === 0) return undefined;
  return lists.flatMap((grant) => grant.slice(kind.length + 1).split(","));
}

/** The ports of `HOST:PORT`s; null for all, as where one of them names none. */
function portsOf(hosts: readonly string[]): number[] | null {
  const ports = hosts.map((host) => /:(\d+)$/.exec(withoutBrackets(host))?.[1]);
  return ports.includes(undefined) ? null : ports.map(Number);
}

/** An IPv6 address has colons of its own, and brackets around it where a port follows. */
function withoutBrackets(host: string): string {
  return host.startsWith("[") ? host.slice(host.indexOf("]") + 1) : host;
}

/** An answer that is too long for a datagram is asked for over TCP. */
function withDns(ports: readonly number[]): number[] {
  return ports.length === 0 || ports.includes(DNS)
    ? [...ports]
    : [...ports, DNS];
}

function absolute(path: string, directory: string): string {
  return path.startsWith("/") ? path : `${directory}/${path}`;
}

/** Parts of `DENO_DIR` that hold nothing but code; what scripts of the user keep there is not among them. */
const CACHES = ["gen", "npm", "remote", "deps", "dl"];

/**
 * Where files are, as this process finds them; call it while FFI permission still stands. Throws `PosixError` when
 * /proc cannot be read.
 */
function findPlaces(project: readonly string[]): Places {
  const variables = new Map(
    readProcFile("/proc/self/environ").split("\0").map((text) => {
      const [name, ...value] = text.split("=");
      return [name, value.join("=")];
    }),
  );
  const home = variables.get("HOME") ?? "/root";
  const cache = variables.get("XDG_CACHE_HOME") || `${home}/.cache`;
  const denoDirectory = variables.get("DENO_DIR") || `${cache}/deno`;
  const own = Deno.build.standalone
    ? []
    : [new URL("../", import.meta.url).pathname];
  return {
    project,
    runtime: [
      "/proc/self/exe",
      ...own.map(decodeURIComponent),
      ...CACHES.map((name) => `${denoDirectory}/${name}`),
    ],
    directory: readProcLink("/proc/self/cwd") ?? "/",
    path: (variables.get("PATH") ?? "").split(":").filter((directory) =>
      directory.startsWith("/")
    ),
  };
}

/**
 * Prepares the Landlock rules of this process: only the grants; a program keeps its user's rights. `enter` encloses
 * it, each thread after some calls of its own; `narrow` takes from a zygote what its children are not to reach.
 */
export function prepareDomains(
  { grants, service }: ChildOptions,
  { isZygote, isParked = false }: {
    readonly isZygote: boolean;
    readonly isParked?: boolean;
  },
): { enter(before: Calls): void; narrow(): void } {
  const places = findPlaces(rootsOf(service));
  const rulesOf = (places: Places) => makeRuleset(reachOf(grants, places));
  const last = rulesOf(places);
  // It looks at its own threads and its event loop before it forks.
  const own = ["/proc/self/task", "/proc/self/fdinfo"];
  const runtime = [...places.runtime, ...own];
  const first = isZygote && !isParked ? rulesOf({ ...places, runtime }) : null;
  return {
    enter: (before) => {
      enterDomain(first ?? last, { threads: !isParked, before });
      (first ?? last).close();
    },
    narrow: () => {
      if (first === null) return;
      enterDomain(last);
      last.close();
    },
  };
}
