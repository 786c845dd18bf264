/* Marking and rewinding: see ../rewind.ts. Both run on a stack of their own, with all signals held back, and call
   nothing: whatever JavaScript has become by then does not matter. */
#include "rewind.h"

enum { MSG_NOSIGNAL = 0x4000, SCHED_LOOKS = 32 };
/* So many pages, 4 MiB, are copied back at most; of what is beyond, the kernel gives new ones when it is written to. */
#define MOST_COPIED 1024
/* Exit codes from here on say why memory was not rewound, where no report can. */
#define EXIT_REASONS 64
/* Where the C library has told the kernel to keep what rseq(2) is about: from the thread's own area. */
extern const long __rseq_offset __attribute__((weak));
extern const u32 __rseq_size __attribute__((weak));

static u32 has_protection_keys(void) {
  u32 a = 7, b, c = 0, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return c >> 4 & 1; /* OSPKE */
}

/* JIT code may lie behind a protection key: everything is open while this runs. */
static void open_keys(void) {
  if (!C->has_pkru) return;
  u32 d;
  __asm__ volatile("rdpkru" : "=a"(C->pkru), "=d"(d) : "c"(0));
  __asm__ volatile("wrpkru" : : "a"(0), "c"(0), "d"(0) : "memory");
}

static void close_keys(u32 pkru) {
  if (C->has_pkru) __asm__ volatile("wrpkru" : : "a"(pkru), "c"(0), "d"(0) : "memory");
}

static void touch(u64 page) {
  volatile u8 *byte = (volatile u8 *)page;
  *byte = *byte;
}

static long note_counts(void) {
  struct counts c;
  long result = count(&c);
  C->faults = c.faults;
  C->size = c.size;
  C->data = c.data;
  C->caught = c.caught;
  C->ignored = c.ignored;
  return result < 0 ? result : c.threads == 1 ? 0 : -BAD_THREADS;
}

/* Which file it is, as /proc/self/maps says it: linux/kdev_t.h. */
static long identify(int number, u64 *inode, u32 *device) {
  struct { u64 device, inode, rest[16]; } s;
  if (sys(SYS_FSTAT, number, &s) < 0) return -NO_FILES;
  *inode = s.inode;
  *device = (s.device >> 8 & 0xfff) << 20 | (s.device & 0xff) | (s.device >> 12 & 0xfff00);
  return 0;
}

static long mark(const struct wishes *wishes) {
  long result;
  C->wishes = *wishes;
  C->cap = MOST_COPIED;
  C->times = C->pages = C->runs = C->slots = C->free = C->joined = 0;
  if ((result = identify(C->wishes.image, &C->image_inode, &C->image_device)) < 0) return result;
  if (C->wishes.settled < 0) C->settled_inode = 0;
  else if ((result = identify(C->wishes.settled, &C->settled_inode, &C->settled_device)) < 0) return result;
  u64 self;
  __asm__("mov %%fs:0, %0" : "=r"(self));
  C->rseq = &__rseq_offset && &__rseq_size && __rseq_size ? self + __rseq_offset : 0;
  if ((result = note_counts()) < 0) return result; /* one thread alone */
  if ((result = note_kernel_state()) < 0) return result;
  if ((result = read_regions(THEN)) < 0) return result;
  C->then = result;
  const struct region *stack = region_of(C->rsp);
  if (stack && (stack->flags & STACK)) { /* what deeper calls left behind */
    u64 end = (C->rsp - 256) & ~(PAGE - 1);
    if (end > stack->start) sys(SYS_MADVISE, stack->start, end - stack->start, MADV_DONTNEED);
  }
  if ((result = image_of_written()) < 0) return result;
  touch(self & ~(PAGE - 1));
  if (C->rseq) touch(C->rseq & ~(PAGE - 1));
  if ((result = read_regions(THEN)) < 0) return result;
  C->then = result;
  if ((result = save_written()) < 0) return result;
  if ((C->wishes.flags & CHECKS) && (result = note_sums()) < 0) return result;
  return note_counts();
}

HIDDEN long mpserv_do_mark(const struct wishes *wishes) {
  C->has_pkru = has_protection_keys();
  open_keys();
  u32 pkru = C->pkru;
  C->sigmask = hold_signals();
  long result = mark(wishes);
  C->dirty = 0;
  release_signals(C->sigmask);
  close_keys(pkru);
  return result;
}

/* The report waits here while memory goes back; it says how that went, too. Who reads it may be gone. */
static void tell(u32 how) {
  if (C->report_length == 0) return;
  *(u32 *)(C->report + C->wishes.status_at) = how;
  sys(SYS_SENDTO, C->wishes.channel, C->report, C->report_length, MSG_NOSIGNAL, 0, 0);
  C->report_length = 0;
}

static void end(long reason) {
  int code = C->report_length ? 0 : EXIT_REASONS - reason;
  tell(-reason);
  for (;;) sys(SYS_EXIT_GROUP, code);
}

static long restore(void) {
  struct counts now;
  int has_handler = C->wishes.flags & FOR_HANDLER, is_looked_at = C->wishes.flags & CHECKS;
  long result = count(&now);
  if (result < 0) return result;
  if (now.threads != 1 && (result = end_threads()) < 0) return result;
  if (now.threads != 1) now.faults = ~0UL;
  if (has_handler && (now.caught != C->caught || now.ignored != C->ignored)) restore_signals();
  if ((result = restore_descriptors()) < 0) return result;
  /* As often missed as at the last look, and as much mapped: nothing was written to but what is copied back. */
  if (now.faults != C->faults || now.size != C->size || now.data != C->data) {
    if ((u64)sys(SYS_BRK, 0) != C->brk) sys(SYS_BRK, C->brk);
    if ((result = repair_regions(0)) < 0) return result;
    if ((result = take_back_written()) < 0) return result;
    is_looked_at = 1;
  }
  if (C->times % SCHED_LOOKS == SCHED_LOOKS - 1) {
    forget_idle();
    is_looked_at = 1;
  }
  for (struct run *r = RUNS; r < RUNS + C->runs; r++) copy(r->to, r->from, r->length);
  if ((result = restore_kernel_state()) < 0) return result;
  if ((C->wishes.flags & CHECKS) && (result = check_sums()) < 0) return result;
  return is_looked_at ? note_counts() : 0;
}

HIDDEN void mpserv_do_rewind(const u8 *report, u64 length) {
  int has_handler = C->wishes.flags & FOR_HANDLER; /* a service of ours handles no signal, and changes no mask */
  if (has_handler) hold_signals();
  u32 pkru = C->pkru;
  open_keys();
  if (length > MOST_REPORT) length = 0;
  copy((u64)C->report, (u64)report, length);
  C->report_length = length;
  long result = restore();
  if (result < 0) end(result);
  C->pkru = pkru;
  C->times++;
  tell(REWOUND);
  if (has_handler) release_signals(C->sigmask);
  close_keys(pkru);
}

/* long mpserv_mark(const struct wishes *): 0 at first; how often it was rewound when it returns again; or what went
   wrong. void mpserv_rewind(const u8 *report, u64 length): does not return, but mpserv_mark does. */
__asm__(
  ".globl mpserv_mark, mpserv_rewind\n"
  ".type mpserv_mark, @function\n"
  ".type mpserv_rewind, @function\n"
  "mpserv_mark:\n"
  "  movabs $0x500000000000, %rax\n"
  "  mov %rbx, 0(%rax)\n  mov %rbp, 8(%rax)\n"
  "  mov %r12, 16(%rax)\n  mov %r13, 24(%rax)\n  mov %r14, 32(%rax)\n  mov %r15, 40(%rax)\n"
  "  lea 8(%rsp), %rcx\n  mov %rcx, 48(%rax)\n  mov (%rsp), %rcx\n  mov %rcx, 56(%rax)\n"
  "  stmxcsr 64(%rax)\n  fnstcw 68(%rax)\n"
  "  lea 0x20000(%rax), %rsp\n  call mpserv_do_mark\n"
  "  movabs $0x500000000000, %rcx\n  mov 48(%rcx), %rsp\n  jmp *56(%rcx)\n"
  "mpserv_rewind:\n"
  "  movabs $0x500000000000, %rax\n"
  "  cmpq $0, 56(%rax)\n  jne 1f\n  ret\n" /* nothing was marked */
  "1:\n"
  "  lea 0x20000(%rax), %rsp\n  call mpserv_do_rewind\n"
  "  movabs $0x500000000000, %rcx\n"
  "  mov 0(%rcx), %rbx\n  mov 8(%rcx), %rbp\n"
  "  mov 16(%rcx), %r12\n  mov 24(%rcx), %r13\n  mov 32(%rcx), %r14\n  mov 40(%rcx), %r15\n"
  "  ldmxcsr 64(%rcx)\n  fldcw 68(%rcx)\n  mov 72(%rcx), %rax\n  mov 48(%rcx), %rsp\n  cld\n  jmp *56(%rcx)\n");

/* Maps the context, in the zygote. Returns its address, or what went wrong. */
EXPORTED long mpserv_make_context(void) {
  return sys(SYS_MMAP, BASE, SIZE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1UL, 0);
}

/* For a zygote: what it has written becomes the content of a file, in fine clusters, and its children share that.
   Returns 0, or what went wrong, when nothing may have changed, or some of it. */
EXPORTED long mpserv_settle_finely(const struct wishes *wishes) {
  C->wishes = *wishes;
  return image_of_written();
}

_Static_assert(sizeof(struct context) <= 0x8000, "the context and its stack");
_Static_assert(__builtin_offsetof(struct context, times) == 72, "times");
_Static_assert(STACK_TOP == BASE + 0x20000, "the stack");
