/**
 * With an idle thread, stops until somebody lets it go on, and then parks its threads. With the argument `ppoll`
 * one of them waits for something else in the same call, as on arm64 the C library does for the address of a name.
 */
import { cLibrary } from "../../src/posix/libc.ts";
import { parkThreadPool } from "../../src/zygote/threads.ts";

await Deno.readTextFile("/proc/self/stat"); // a thread does that, and waits for more
let said = "parked";
if (Deno.args[0] === "ppoll") {
  void cLibrary("parkAsync").parkAsync!(null, 0, null, new Uint8Array(128));
  try {
    parkThreadPool(100);
  } catch (error) {
    said = (error as Error).message;
  }
} else {
  Deno.kill(Deno.pid, "SIGSTOP");
  parkThreadPool();
}
Deno.stdout.writeSync(new TextEncoder().encode(said));
Deno.kill(Deno.pid, "SIGKILL"); // parked threads never end
