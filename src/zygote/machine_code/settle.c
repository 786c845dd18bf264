/* Which pages of a zygote its children get: see fork_memory.ts. All of it reads the map of this process's memory
   by itself, and allocates nothing: JavaScript that did it would touch and write what this is about. */
#include "system.h"

#define MOST 512           /* regions; what is beyond is left as it is */
#define MOST_SIZE (1UL << 32)
#define LEAST (16 * PAGE)  /* smaller ones are not worth a mapping of their own */
#define SETTLED "mpserv-memory" /* what the file is called in /proc/PID/maps */

/* Entries of /proc/PID/pagemap: Documentation/admin-guide/mm/pagemap.rst. */
#define PRESENT (1UL << 63)
#define SWAPPED (1UL << 62)
#define OF_FILE (1UL << 61)

enum { EIO = 5 }; /* asm-generic/errno-base.h */

/* As in fork_memory.ts. */
enum step { NOTHING, FAULTS, SETTLE, LET_GO, LET_GO_APART, JOIN };

struct region { u64 start, end, protection; };

struct line {
  struct region region;
  int is_private, is_settled;
  char path; /* its first letter; 0 for none */
};

static inline int open_own(const char *path) { return sys(SYS_OPENAT, AT_FDCWD, path, O_RDONLY | O_CLOEXEC); }

struct reader { int file; u64 at, length; char bytes[2048]; };

static inline int next(struct reader *r) {
  if (r->at == r->length) {
    long count = sys(SYS_READ, r->file, r->bytes, sizeof r->bytes);
    if (count <= 0) return -1;
    r->at = 0;
    r->length = count;
  }
  return (u8)r->bytes[r->at++];
}

static inline u64 hexadecimal(struct reader *r, int end) {
  u64 number = 0;
  for (int c; (c = next(r)) != end && c >= 0;) number = number << 4 | (c <= '9' ? c - '0' : c - 'a' + 10);
  return number;
}

/* start-end permissions offset device inode path, proc_pid_maps(5). */
static int read_line(struct reader *r, struct line *line) {
  int c = next(r);
  if (c < 0) return 0;
  r->at--;
  line->region.start = hexadecimal(r, '-');
  line->region.end = hexadecimal(r, ' ');
  line->region.protection = (next(r) == 'r' ? PROT_READ : 0) | (next(r) == 'w' ? PROT_WRITE : 0);
  line->region.protection |= next(r) == 'x' ? PROT_EXEC : 0;
  line->is_private = next(r) == 'p';
  line->is_settled = 0;
  line->path = 0;
  int blanks = 0, matched = 0;
  while ((c = next(r)) >= 0 && c != '\n') {
    if (blanks < 4) { blanks += c == ' '; continue; }
    if (c == ' ' && !line->path) continue;
    if (!line->path) line->path = c;
    const char *name = SETTLED;
    matched = c == name[matched] ? matched + 1 : c == name[0];
    if (name[matched] == 0) { line->is_settled = 1; matched = 0; }
  }
  return 1;
}

/* The pages of a region that are this process's own: from the first to after the last, and how many. */
static u64 own_pages(const struct region *region, int pagemap, struct region *own) {
  u64 entries[256], count = 0;
  u64 end = region->end / PAGE;
  for (u64 page = region->start / PAGE; page < end; page += 256) {
    u64 size = 8 * (end - page < 256 ? end - page : 256);
    if (sys(SYS_PREAD64, pagemap, entries, size, 8 * page) != (long)size) return count;
    for (u64 i = 0; i < size / 8; i++) {
      if (!(entries[i] & SWAPPED) && (entries[i] & (PRESENT | OF_FILE)) != PRESENT) continue;
      if (count++ == 0) own->start = PAGE * (page + i);
      own->end = PAGE * (page + i + 1);
    }
  }
  return count;
}

/* What holds mostly pages of this process alone, or was settled before: heaps, data and code that was compiled; not
   stacks, which are in use while they would be copied, and nothing of the kernel's. */
static int is_written(const struct line *line, int pagemap, struct region *found) {
  const struct region *r = &line->region;
  struct region own = {0, 0, r->protection};
  u64 size = r->end - r->start;
  *found = *r;
  if (!line->is_private || !(r->protection & PROT_READ)) return 0;
  if (line->is_settled) return 1;
  if (line->path && (r->protection & PROT_EXEC)) return 0;
  if (line->path == '[' && !(r->protection & PROT_WRITE)) return 0;
  if (size < LEAST || size > MOST_SIZE) return 0;
  u64 count = PAGE * own_pages(r, pagemap, &own);
  if (count < LEAST) return 0;
  if (2 * count < size) *found = own;
  return 2 * count >= found->end - found->start;
}

struct memory {
  int count;
  u64 stack; /* its lowest address */
  struct region regions[MOST];
};

static int look(struct memory *memory, int pagemap) {
  struct reader reader;
  struct line line;
  memory->count = 0;
  memory->stack = 0;
  reader.at = reader.length = 0;
  reader.file = open_own("/proc/self/maps");
  if (reader.file < 0) return reader.file;
  while (memory->count < MOST && read_line(&reader, &line)) {
    u64 here = (u64)&reader;
    if (line.region.start <= here && here < line.region.end) memory->stack = line.region.start;
    else if (is_written(&line, pagemap, memory->regions + memory->count)) memory->count++;
  }
  sys(SYS_CLOSE, reader.file);
  return 0;
}

static int copy_into(int file, const struct memory *memory) {
  u64 offset = 0;
  for (int i = 0; i < memory->count; i++) {
    const struct region *r = memory->regions + i;
    u64 length = r->end - r->start;
    long result = sys(SYS_PWRITE64, file, r->start, length, offset);
    if (result != (long)length) return result < 0 ? result : -EIO;
    offset += length;
  }
  return 0;
}

static void map_over(int file, const struct memory *memory) {
  u64 offset = 0;
  for (int i = 0; i < memory->count; i++) {
    const struct region *r = memory->regions + i;
    u64 length = r->end - r->start;
    long result = sys(SYS_MMAP, r->start, length, r->protection, MAP_PRIVATE | MAP_FIXED, file, offset);
    offset += length;
    if (result != (long)r->start || !(r->protection & PROT_WRITE)) continue;
    volatile u8 *first = (volatile u8 *)r->start;
    *first = *first; /* a fork copies the entries of a mapping that was written to, and of no other */
  }
}

/* All that has been written becomes the content of a nameless file, mapped over itself; and what deeper calls left on
   the stack is forgotten. Nothing may write in between. Returns 0, or what the call that failed returned; nothing
   has been mapped then. */
static int settle(int pagemap) {
  struct memory memory;
  int result = look(&memory, pagemap);
  if (result < 0) return result;
  int file = sys(SYS_MEMFD_CREATE, SETTLED, MFD_CLOEXEC);
  if (file < 0) return file;
  result = copy_into(file, &memory);
  if (result == 0) map_over(file, &memory);
  sys(SYS_CLOSE, file); /* the mappings keep it */
  u64 below = (u64)&memory - 0x10000;
  if (result == 0 && memory.stack && below > memory.stack) {
    sys(SYS_MADVISE, memory.stack, (below & -PAGE) - memory.stack, MADV_DONTNEED);
  }
  return result;
}

/* Drops the entries of pages that are a file's still: who needs one finds it. With `apart`, each such page becomes a
   mapping of its own: the kernel enters up to 16 pages of a mapping when one is missed. */
static void drop(const struct region *region, int pagemap, int apart) {
  u64 entries[256];
  u64 end = region->end / PAGE;
  for (u64 page = region->start / PAGE; page < end; page += 256) {
    u64 size = 8 * (end - page < 256 ? end - page : 256);
    if (sys(SYS_PREAD64, pagemap, entries, size, 8 * page) != (long)size) return;
    for (u64 i = 0, from = 0; i <= size / 8; i++) {
      if (i < size / 8 && (entries[i] & (PRESENT | OF_FILE)) == (PRESENT | OF_FILE)) {
        if (apart && ((page + i) & 1)) sys(SYS_MADVISE, PAGE * (page + i), PAGE, MADV_RANDOM);
        continue;
      }
      if (i > from) sys(SYS_MADVISE, PAGE * (page + from), PAGE * (i - from), MADV_DONTNEED);
      from = i + 1;
    }
  }
}

/* Neighbours that were put apart count as one. */
static int look_for_settled(struct memory *memory) {
  struct reader reader;
  struct line line;
  memory->count = 0;
  reader.at = reader.length = 0;
  reader.file = open_own("/proc/self/maps");
  if (reader.file < 0) return reader.file;
  while (read_line(&reader, &line)) {
    struct region *last = memory->regions + memory->count - 1;
    if (!line.is_settled) continue;
    if (memory->count > 0 && last->end == line.region.start) last->end = line.region.end;
    else if (memory->count < MOST) memory->regions[memory->count++] = line.region;
  }
  sys(SYS_CLOSE, reader.file);
  return 0;
}

static int let_go(int pagemap, int apart) {
  struct memory memory;
  int result = look_for_settled(&memory);
  for (int i = 0; i < memory.count; i++) drop(memory.regions + i, pagemap, apart);
  return result;
}

static int join(void) {
  struct memory memory;
  int result = look_for_settled(&memory);
  for (int i = 0; i < memory.count; i++) {
    const struct region *r = memory.regions + i;
    sys(SYS_MADVISE, r->start, r->end - r->start, MADV_NORMAL);
  }
  return result;
}

/* How often this process missed a page, getrusage(2). */
static int faults(void) {
  long usage[18]; /* struct rusage */
  return sys(SYS_GETRUSAGE, 0 /* RUSAGE_SELF */, usage) == 0 ? usage[8] /* ru_minflt */ : 0;
}

/* One function for all: a call of what is called seldom would touch a thousand pages of the runtime's.
   Returns 0 or more, or a negative errno. */
EXPORTED int mpserv_memory(enum step step) {
  if (step == NOTHING) return 0;
  if (step == FAULTS) return faults();
  u64 signals = hold_signals();
  int pagemap = step == JOIN ? -1 : open_own("/proc/self/pagemap");
  int result = pagemap;
  if (step == JOIN) result = join();
  else if (pagemap < 0) result = pagemap;
  else if (step == SETTLE) result = settle(pagemap);
  else result = let_go(pagemap, step == LET_GO_APART);
  if (pagemap >= 0) sys(SYS_CLOSE, pagemap);
  release_signals(signals);
  return result;
}
