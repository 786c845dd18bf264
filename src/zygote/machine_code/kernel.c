/* What the kernel keeps about this process beside its memory: descriptors, threads, signals, and what a handler may
   change by a system call. What cannot be put back is an error. */
#include "rewind.h"

/* asm-generic/fcntl.h, linux/prctl.h, sys/resource.h, asm-generic/siginfo.h */
enum { F_GETFD = 1, F_GETFL = 3, PR_SET_NAME = 15, PR_GET_NAME = 16, WNOHANG = 1 };
enum { SIGKILL = 9, SIGCHLD = 17, SIGSTOP = 19, SIGEV_THREAD_ID = 4, CLOCK_MONOTONIC = 1 };
/* Of rt_sigaction(2): SA_RESTORER. The signal that ends a thread; nobody else uses it. */
#define SA_RESTORER 0x04000000UL
#define ENDING 63
#define STANDARD 3
#define MOST_NUMBER 1024
/* How often is looked whether threads have ended: at once, and then each millisecond. */
#define LOOKS_AT_ONCE 500
#define LOOKS 5000
#define MOST_TIMERS 256
/* Of setitimer(2): of real time, of processor time, and of both. */
#define TIMERS 3

struct stat { u64 device, inode, links; u32 mode, uid, gid, unused; u64 type, rest[12]; };

/* Fields of /proc/PID/stat, proc_pid_stat(5). */
enum { MINFLT = 10, MAJFLT = 12, THREADS = 20, VSIZE = 23, SIGIGNORE = 33, SIGCATCH = 34, LAST_FIELD = 34 };

static long count_for_handler(struct counts *c) {
  char text[1024];
  u64 field[LAST_FIELD + 1];
  long length = sys(SYS_PREAD64, C->wishes.stat, text, sizeof text, 0), at = length - 1;
  if (length <= 0 || length == sizeof text) return -NO_FILES;
  while (at > 0 && text[at] != ')') at--; /* the name before it may hold anything */
  at += 2; /* field 3 */
  for (int i = 3; i <= LAST_FIELD; i++) {
    field[i] = 0;
    for (; at < length && text[at] != ' '; at++) field[i] = field[i] * 10 + (u8)(text[at] - '0');
    if (at++ >= length) return -NO_FILES;
  }
  c->faults = field[MINFLT] + field[MAJFLT];
  c->threads = field[THREADS];
  c->size = field[VSIZE] / PAGE;
  c->ignored = field[SIGIGNORE];
  c->caught = field[SIGCATCH];
  return 0;
}

/* How often memory was missed, how much is mapped and may be written; for a handler its threads and signals, too. */
long count(struct counts *c) {
  char text[128];
  u64 field[7] = { 0, 0, 0, 0, 0, 0, 0 };
  int k = 0;
  long length = sys(SYS_PREAD64, C->wishes.statm, text, sizeof text, 0);
  if (length <= 0) return -NO_FILES;
  for (long i = 0; i < length && k < 7; i++) {
    if (text[i] == ' ') k++;
    else if (text[i] != '\n') field[k] = field[k] * 10 + (u8)(text[i] - '0');
  }
  c->data = field[5];
  if (C->wishes.flags & FOR_HANDLER) return count_for_handler(c);
  u64 usage[18]; /* struct rusage: ru_minflt, ru_majflt */
  if (sys(SYS_GETRUSAGE, 0, usage) < 0) return -NO_FILES;
  c->faults = usage[8] + usage[9];
  c->size = field[0];
  c->threads = 1;
  c->caught = c->ignored = 0;
  return 0;
}

static long read_file(int number, struct file *to) {
  struct stat s;
  long status = number < STANDARD ? sys(SYS_FCNTL, number, F_GETFL, 0) : 0; /* those that others have, too */
  if (status < 0 || sys(SYS_FSTAT, number, &s) < 0) return -BAD_DESCRIPTORS;
  *to = (struct file){ number, status, s.device, s.inode, s.type };
  return 0;
}

long note_kernel_state(void) {
  u32 open = 0;
  C->files = C->gaps = 0;
  for (u32 number = 0; number < MOST_NUMBER; number++) {
    if (sys(SYS_FCNTL, number, F_GETFD, 0) < 0) continue;
    if (C->files >= MOST_FILES) return -BAD_DESCRIPTORS;
    if (read_file(number, FILES + C->files++) < 0) return -BAD_DESCRIPTORS;
    if (number > open) {
      C->gap[C->gaps][0] = open;
      C->gap[C->gaps++][1] = number - 1;
    }
    open = number + 1;
  }
  C->gap[C->gaps][0] = open;
  C->gap[C->gaps++][1] = ~0U;
  C->brk = sys(SYS_BRK, 0);
  sys(SYS_PRCTL, PR_GET_NAME, C->name);
  for (int signal = 1; signal <= SIGNALS; signal++) {
    sys(SYS_RT_SIGACTION, signal, 0, C->actions + signal, 8);
  }
  if (C->wishes.flags & MAY_MORE) {
    C->mask = sys(SYS_UMASK, 077);
    sys(SYS_UMASK, C->mask);
    C->priority = sys(SYS_GETPRIORITY, 0, 0);
  }
  if (C->wishes.events >= 0) {
    long length = sys(SYS_PREAD64, C->wishes.events, C->events, MOST_EVENTS, 0);
    if (length <= 0 || length == MOST_EVENTS) return -BAD_EVENTS;
    C->events_length = length;
  }
  return 0;
}

/* Closes what was opened since the mark; what was open then must be what it was. */
long restore_descriptors(void) {
  for (u32 i = 0; i < C->gaps; i++) {
    if (sys(SYS_CLOSE_RANGE, C->gap[i][0], C->gap[i][1], 0) < 0) return -BAD_DESCRIPTORS;
  }
  if (!(C->wishes.flags & FOR_HANDLER)) return 0;
  for (struct file *then = FILES; then < FILES + C->files; then++) {
    struct file now;
    if (read_file(then->number, &now) < 0 || !same(then, &now, sizeof now)) return -BAD_DESCRIPTORS;
  }
  if (C->wishes.events < 0) return 0;
  u8 events[MOST_EVENTS];
  long length = sys(SYS_PREAD64, C->wishes.events, events, MOST_EVENTS, 0);
  return length == C->events_length && same(events, C->events, length) ? 0 : -BAD_EVENTS;
}

/* What a handler may have changed beside. Signals are held back while this runs. */
long restore_kernel_state(void) {
  if (!(C->wishes.flags & FOR_HANDLER)) return 0;
  u64 pending = 0;
  sys(SYS_PRCTL, PR_SET_NAME, C->name);
  if (C->wishes.flags & MAY_MORE) {
    sys(SYS_UMASK, C->mask);
    u64 never[4] = { 0, 0, 0, 0 };
    for (int timer = 0; timer < TIMERS; timer++) sys(SYS_SETITIMER, timer, never, 0);
    if (C->wishes.directory >= 0 && sys(SYS_FCHDIR, C->wishes.directory) < 0) return -BAD_DESCRIPTORS;
    if ((u32)sys(SYS_GETPRIORITY, 0, 0) != C->priority) return -BAD_PRIORITY;
    long child;
    while ((child = sys(SYS_WAIT4, -1, 0, WNOHANG, 0)) > 0);
    if (child == 0) return -BAD_CHILDREN; /* one runs on */
  }
  /* What has come for a connection that is over; the end of its own processes means nothing any more. */
  if (sys(SYS_RT_SIGPENDING, &pending, 8) < 0) return -BAD_SIGNALS;
  return pending & ~(1UL << (SIGCHLD - 1)) ? -BAD_SIGNALS : 0;
}

void restore_signals(void) {
  for (int signal = 1; signal <= SIGNALS; signal++) {
    struct action now;
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    if (sys(SYS_RT_SIGACTION, signal, 0, &now, 8) < 0 || same(&now, C->actions + signal, sizeof now)) continue;
    sys(SYS_RT_SIGACTION, signal, C->actions + signal, 0, 8);
  }
}

HIDDEN void end_thread(void);
__asm__(".hidden end_thread\n"
        "end_thread:\n"
        "  mov $60, %eax\n" /* exit(2), of this thread alone */
        "  xor %edi, %edi\n"
        "  syscall\n");

static long thread_count(void) {
  struct counts c;
  long result = count_for_handler(&c);
  return result < 0 ? result : (long)c.threads;
}

/* Has the kernel signal a thread of this process: a timer can reach no other process's. Returns the timer, which
   must be there until the thread has ended; -1 when it has. */
static int signal_thread(long thread) {
  struct { u64 value; int signal, notify, thread; u8 rest[44]; } event = { 0, ENDING, SIGEV_THREAD_ID, thread, { 0 } };
  struct { u64 interval[2], value[2]; } time = { { 0, 0 }, { 0, 1 } };
  int timer;
  if (sys(SYS_TIMER_CREATE, CLOCK_MONOTONIC, &event, &timer) < 0) return -1;
  sys(SYS_TIMER_SETTIME, timer, 0, &time, 0);
  return timer;
}

/* How many threads there are beside this one; each is signalled where there is room for its timer. */
static long signal_others(int *timers, u32 *count, int again) {
  u8 entries[4096];
  long self = sys(SYS_GETTID), left = 0, length;
  if (sys(SYS_LSEEK, C->wishes.task, 0, 0) < 0) return -1;
  while ((length = sys(SYS_GETDENTS64, C->wishes.task, entries, sizeof entries)) > 0) {
    for (long at = 0; at < length; at += *(u16 *)(entries + at + 16)) { /* struct linux_dirent64 */
      long thread = 0;
      for (u8 *digit = entries + at + 19; *digit >= '0' && *digit <= '9'; digit++) {
        thread = thread * 10 + (*digit - '0');
      }
      if (thread == 0 || thread == self) continue;
      left++;
      if (!again || *count >= MOST_TIMERS) continue;
      int timer = signal_thread(thread);
      if (timer >= 0) timers[(*count)++] = timer;
    }
  }
  return length < 0 ? -1 : left;
}

/* Ends all threads but this one. What they hold does not matter: memory will have forgotten it. */
long end_threads(void) {
  if (!(C->wishes.flags & FOR_HANDLER)) return -BAD_THREADS;
  struct action ending = { (u64)end_thread, SA_RESTORER, (u64)end_thread, ~0UL }, before;
  u64 millisecond[2] = { 0, 1000000 };
  int timers[MOST_TIMERS];
  u32 count = 0;
  long left = 1;
  int again = 1;
  sys(SYS_RT_SIGACTION, ENDING, &ending, &before, 8);
  for (int look = 0; look < LOOKS && left > 0; look++) {
    left = signal_others(timers, &count, again);
    again = (look + 1) % LOOKS_AT_ONCE == 0;
    if (left == 0 && thread_count() != 1) left = again = 1; /* the list skips threads while others end */
    if (left > 0 && look < LOOKS_AT_ONCE) sys(SYS_SCHED_YIELD);
    else if (left > 0) sys(SYS_NANOSLEEP, millisecond, 0);
  }
  while (count > 0) sys(SYS_TIMER_DELETE, timers[--count]);
  sys(SYS_RT_SIGACTION, ENDING, &before, 0, 8);
  return left == 0 && thread_count() == 1 ? 0 : -BAD_THREADS;
}
