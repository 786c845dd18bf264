/* What the machine code in this folder is made of: system calls, and nothing else. No C library, no global
   that is written to, x86_64 Linux. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define PAGE 4096UL
#define HIDDEN __attribute__((visibility("hidden")))
#define EXPORTED __attribute__((visibility("default")))

/* asm/unistd_64.h */
enum {
  SYS_READ = 0, SYS_CLOSE = 3, SYS_LSEEK = 8, SYS_MMAP = 9, SYS_MPROTECT = 10, SYS_MUNMAP = 11, SYS_BRK = 12,
  SYS_RT_SIGACTION = 13, SYS_RT_SIGPROCMASK = 14, SYS_IOCTL = 16, SYS_PREAD64 = 17,
  SYS_PWRITE64 = 18, SYS_SCHED_YIELD = 24, SYS_MADVISE = 28, SYS_NANOSLEEP = 35, SYS_SETITIMER = 38, SYS_SENDTO = 44,
  SYS_WAIT4 = 61, SYS_GETPID = 39, SYS_FCNTL = 72, SYS_FCHDIR = 81, SYS_UMASK = 95, SYS_GETRUSAGE = 98,
  SYS_RT_SIGPENDING = 127, SYS_GETPRIORITY = 140, SYS_PRCTL = 157, SYS_GETTID = 186,
  SYS_GETDENTS64 = 217, SYS_TIMER_CREATE = 222, SYS_TIMER_SETTIME = 223,
  SYS_TIMER_DELETE = 226, SYS_CLOCK_NANOSLEEP = 230, SYS_EXIT_GROUP = 231, SYS_OPENAT = 257, SYS_MEMFD_CREATE = 319, SYS_CLOSE_RANGE = 436, SYS_FSTAT = 5,
};

/* asm-generic/mman-common.h, linux/mman.h */
enum {
  PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4,
  MAP_PRIVATE = 0x02, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_NORESERVE = 0x4000,
  MAP_FIXED_NOREPLACE = 0x100000, MADV_NORMAL = 0, MADV_RANDOM = 1, MADV_DONTNEED = 4,
};

/* asm-generic/fcntl.h, linux/fcntl.h, linux/memfd.h */
enum { O_RDONLY = 0, O_CLOEXEC = 02000000, AT_FDCWD = -100, MFD_CLOEXEC = 1 };

static inline long sys6(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  long result;
  register u64 r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

/* Unused arguments are zeros. */
#define SYS_PICK(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define SYS_0(n) sys6(n, 0, 0, 0, 0, 0, 0)
#define SYS_1(n, a) sys6(n, (u64)(a), 0, 0, 0, 0, 0)
#define SYS_2(n, a, b) sys6(n, (u64)(a), (u64)(b), 0, 0, 0, 0)
#define SYS_3(n, a, b, c) sys6(n, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)
#define SYS_4(n, a, b, c, d) sys6(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), 0, 0)
#define SYS_5(n, a, b, c, d, e) sys6(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), 0)
#define SYS_6(n, a, b, c, d, e, f) sys6(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))
#define sys(...) SYS_PICK(__VA_ARGS__, SYS_6, SYS_5, SYS_4, SYS_3, SYS_2, SYS_1, SYS_0)(__VA_ARGS__)

/* Nothing of a signal handler's is written in between: asm-generic/signal.h. */
static inline u64 hold_signals(void) {
  u64 all = ~0UL, before = 0;
  sys(SYS_RT_SIGPROCMASK, 2 /* SIG_SETMASK */, &all, &before, sizeof all);
  return before;
}

static inline void release_signals(u64 before) {
  sys(SYS_RT_SIGPROCMASK, 2, &before, 0, sizeof before);
}

static inline void copy(u64 to, u64 from, u64 length) {
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

static inline int same(const void *a, const void *b, u64 length) {
  const u64 *p = a, *q = b;
  for (; length >= 8; length -= 8) if (*p++ != *q++) return 0;
  const u8 *r = (const u8 *)p, *s = (const u8 *)q;
  for (; length > 0; length--) if (*r++ != *s++) return 0;
  return 1;
}
