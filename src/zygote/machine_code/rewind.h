/* What marking and rewinding share. All of it lies in the context, memory at a fixed address that is neither
   marked nor rewound, and that no other code uses: mapped in the zygote, so that its children have it, too. */
#include "system.h"

#define BASE 0x500000000000UL
#define SIZE (96UL << 20)

/* The parts of the context. */
#define STACK_TOP (BASE + 0x20000)
#define FILES_AT (BASE + 0x20000)
#define SCANNED_AT (BASE + 0x30000)
#define TEXT_AT (BASE + 0x100000)
#define TEXT_SIZE 0x100000UL
#define THEN_AT (BASE + 0x200000)
#define NOW_AT (BASE + 0x280000)
#define PAGES_AT (BASE + 0x300000)
#define NEW_AT (BASE + 0x380000)
#define RUNS_AT (BASE + 0x400000)
#define FREE_AT (BASE + 0x480000)
#define SUMS_AT (BASE + 0x500000)
#define SLOTS_AT (BASE + 0x800000)

#define MOST_SCANNED 4096
#define MOST_REGIONS 8192
#define MOST_PAGES 16384
#define MOST_FILES 256
#define MOST_SUMS 65536
#define MOST_SLOTS ((SIZE - 0x800000) / PAGE)
#define MOST_REPORT 512
#define MOST_EVENTS 2048
#define SIGNALS 64

/* Whom rewinding is for: a handler, which can do more than our services do; one that is not under strict, and so may
   start processes, and change what the kernel keeps about itself. CHECKS: check.c. */
enum { FOR_HANDLER = 1, MAY_MORE = 2, CHECKS = 4 };

/* How it went: see REWINDING of wire/records.ts. */
enum {
  REWOUND = 1, NO_FILES, BAD_SCAN, BAD_THREADS, BAD_MAPS, NO_ROOM, BAD_DESCRIPTORS, BAD_EVENTS, BAD_SIGNALS,
  BAD_CHILDREN, BAD_PRIORITY, DIFFERENT,
};

/* What is asked of a mark; the files are this process's own, opened by its parent. */
struct wishes {
  int flags, channel, status_at;
  int pagemap, statm, maps, stat, task, events, directory, image;
  int settled; /* what the zygote had written, to be read; it maps most of it */
};

struct region { u64 start, end, offset, inode; u32 device, flags; };
enum { READ = 1, WRITE = 2, EXECUTE = 4, SHARED = 8, STACK = 16, KERNEL = 32 };
/* A page that is copied back each time: one in use at the mark that could not become part of the image, or one
   that was written to since. idle: for how many looks it was left alone. */
struct page { u64 address; u32 slot; u16 idle; u16 was_clean; };
struct run { u64 to, from, length; };
struct scanned { u64 start, end, categories; };
struct file { int number, status; u64 device, inode, type; };
struct action { u64 handler, flags, restorer, mask; };
struct sum { u64 address, sum; };

struct context {
  u64 rbx, rbp, r12, r13, r14, r15, rsp, rip; /* 0: at the mark */
  u32 mxcsr, fcw;                             /* 64 */
  u64 times;                                  /* 72: how often it was rewound */
  u64 back;                                   /* 80: the stack of who asked */
  u32 pkru, has_pkru;
  struct wishes wishes;
  u64 faults, size, data, caught, ignored, sigmask, brk, rseq, image_inode, settled_inode;
  u32 image_device, settled_device, then, pages, runs, slots, free, files, joined;
  u32 mask, priority, events_length, report_length, sums, gaps, cap, dirty;
  u32 gap[MOST_FILES + 1][2];
  char name[16];
  struct action actions[SIGNALS + 1];
  u8 events[MOST_EVENTS];
  u8 report[MOST_REPORT];
};

#define C ((struct context *)BASE)
#define FILES ((struct file *)FILES_AT)
#define SCANNED ((struct scanned *)SCANNED_AT)
#define THEN ((struct region *)THEN_AT)
#define NOW ((struct region *)NOW_AT)
#define PAGES ((struct page *)PAGES_AT)
#define NEW ((struct page *)NEW_AT)
#define RUNS ((struct run *)RUNS_AT)
#define FREE ((u32 *)FREE_AT)
#define SUMS ((struct sum *)SUMS_AT)
#define SLOT(i) (SLOTS_AT + (i) * PAGE)

/* maps.c */
HIDDEN long read_regions(struct region *to);
HIDDEN const struct region *region_of(u64 address);
HIDDEN long repair_regions(int only_look);
HIDDEN int file_of(const struct region *);
/* pages.c */
HIDDEN long scan(u64 from, u64 *walked);
HIDDEN const struct page *page_at(u64 address);
HIDDEN long image_of_written(void);
HIDDEN long save_written(void);
HIDDEN long take_back_written(void);
HIDDEN void forget_idle(void);
/* kernel.c */
HIDDEN long note_kernel_state(void);
HIDDEN long restore_descriptors(void);
HIDDEN long restore_kernel_state(void);
HIDDEN long end_threads(void);
HIDDEN void restore_signals(void);
struct counts { u64 faults, size, data, threads, caught, ignored; };
HIDDEN long count(struct counts *);
/* check.c */
HIDDEN long note_sums(void);
HIDDEN long check_sums(void);

static inline int in_context(u64 address) { return address >= BASE && address < BASE + SIZE; }
