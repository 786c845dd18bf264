/* Short sleeps of a zygote that still loads: they end at once. Where the runtime cannot keep what it made of a
   TypeScript module, it tries five times more and sleeps in between, 150 ms in all, on the thread that loads. An
   enclosed zygote never can: who writes there decides what other programs run.
   This stands before the C library's function of the same name for those that link to it, as Rust's
   thread::sleep does; the C library's own sleep(3) and its like do not. */
#include "system.h"

#define PR_GET_NAME 16       /* linux/prctl.h */
#define NAMED "mpserv:"      /* what a zygote is called that has loaded: ForkPreparation.finish of birth.ts */
#define SHORT 100000000L     /* nanoseconds */

struct timespec { long seconds, nanoseconds; };

static int still_loads(void) {
  char name[16] = { 0 };
  if (sys(SYS_GETTID) != sys(SYS_GETPID)) return 0;
  sys(SYS_PRCTL, PR_GET_NAME, name);
  return !same(name, NAMED, sizeof NAMED - 1);
}

/* clock_nanosleep(2): 0, or the number of an error. */
EXPORTED int clock_nanosleep(int clock, int flags, const struct timespec *request, struct timespec *left) {
  if (flags == 0 && request->seconds == 0 && request->nanoseconds < SHORT && still_loads()) return 0;
  return -sys(SYS_CLOCK_NANOSLEEP, clock, flags, request, left);
}
