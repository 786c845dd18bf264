/** Has an idle thread, stops until somebody lets it go on, and then parks its threads. */
import { parkThreadPool } from "../../src/zygote/threads.ts";

await Deno.readTextFile("/proc/self/stat"); // a thread does that, and waits for more
Deno.kill(Deno.pid, "SIGSTOP");
parkThreadPool();
Deno.stdout.writeSync(new TextEncoder().encode("parked"));
Deno.kill(Deno.pid, "SIGKILL"); // parked threads never end
