/* The pages that this process has for itself: all that was written to since it was started or forked. */
#include "rewind.h"

/* linux/fs.h */
#define PAGEMAP_SCAN 0xC0606610UL
enum { PAGE_IS_FILE = 4, PAGE_IS_PRESENT = 8, PAGE_IS_SWAPPED = 16, PAGE_IS_PFNZERO = 32 };
struct pm_scan_arg {
  u64 size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, wanted;
};

#define TOP 0x7ffffffff000UL
/* Pages between two that are written may go with them, rather than begin another mapping. */
#define GAP (4 * PAGE)
/* How often a page was looked at and found untouched before it is copied no more, and how many make that worth it. */
#define IDLE_LOOKS 4
#define IDLE_PAGES 16

/* Present or swapped, no page of a file, not the page of zeros. Returns how many ranges there are in SCANNED. */
long scan(u64 from, u64 *walked) {
  u64 end = from < BASE ? BASE : TOP;
  if (in_context(from)) from = BASE + SIZE;
  struct pm_scan_arg a = {
    sizeof a, 0, from, end, 0, SCANNED_AT, MOST_SCANNED, 0, PAGE_IS_FILE | PAGE_IS_PFNZERO,
    PAGE_IS_FILE | PAGE_IS_PFNZERO, PAGE_IS_PRESENT | PAGE_IS_SWAPPED, PAGE_IS_PRESENT,
  };
  long count = sys(SYS_IOCTL, C->wishes.pagemap, PAGEMAP_SCAN, &a);
  if (count < 0) return -BAD_SCAN;
  *walked = a.walk_end;
  if (a.walk_end <= from) return -BAD_SCAN;
  return count;
}

static u32 place_of(u64 address) {
  u32 low = 0, high = C->pages;
  while (low < high) {
    u32 middle = (low + high) / 2;
    if (PAGES[middle].address < address) low = middle + 1;
    else high = middle;
  }
  return low;
}

const struct page *page_at(u64 address) {
  u32 place = place_of(address);
  return place < C->pages && PAGES[place].address == address ? PAGES + place : 0;
}

struct cluster { const struct region *region; u64 start, end, offset; };

static long flush(struct cluster *c) {
  u64 length = c->end - c->start, protection = c->region ? c->region->flags & 7 : 0;
  if (length == 0) return 0;
  if (!(protection & PROT_READ) && sys(SYS_MPROTECT, c->start, length, PROT_READ) < 0) return -BAD_MAPS;
  if (sys(SYS_PWRITE64, C->wishes.image, c->start, length, c->offset) != (long)length) return -NO_ROOM;
  if (sys(SYS_MMAP, c->start, length, protection, MAP_PRIVATE | MAP_FIXED, C->wishes.image, c->offset) !=
      (long)c->start) return -BAD_MAPS;
  c->offset += length;
  c->start = c->end = 0;
  return 0;
}

/* What was written becomes the content of the image, mapped over itself: what is written from here on can be told
   from it, and what it was lies beneath. All but the stack. */
long image_of_written(void) {
  struct cluster c = { 0, 0, 0, 0 };
  u64 walked = 0;
  long result, regions = read_regions(THEN);
  if (regions < 0) return regions;
  C->then = regions;
  for (u64 from = 0; from < TOP; from = walked) {
    long count = scan(from, &walked);
    if (count < 0) return count;
    for (struct scanned *s = SCANNED; s < SCANNED + count; s++) {
      for (u64 page = s->start; page < s->end; page += PAGE) {
        const struct region *region = region_of(page);
        if (!region) return -BAD_MAPS;
        if (region->flags & (SHARED | KERNEL | STACK)) continue;
        if (region != c.region || page > c.end + GAP) {
          if ((result = flush(&c)) < 0) return result;
          c.region = region;
          c.start = page;
        }
        c.end = page + PAGE;
      }
    }
  }
  return flush(&c);
}

/* What is copied back, in as few runs as can be. The kernel writes to the area of rseq(2) whenever it likes. */
static void add_run(u64 to, u64 from, u64 length) {
  struct run *last = RUNS + C->runs - 1;
  if (C->runs && last->to + last->length == to && last->from + last->length == from) last->length += length;
  else RUNS[C->runs++] = (struct run){ to, from, length };
}

static void make_runs(void) {
  C->runs = 0;
  for (u32 i = 0; i < C->pages; i++) {
    u64 to = PAGES[i].address, from = SLOT(PAGES[i].slot), skipped = C->rseq - to;
    if (!C->rseq || skipped >= PAGE) add_run(to, from, PAGE);
    else {
      if (skipped) add_run(to, from, skipped);
      if (skipped + 32 < PAGE) add_run(to + skipped + 32, from + skipped + 32, PAGE - skipped - 32);
    }
  }
}

/* What is in use after that, the stack above all, is copied, and copied back each time. */
long save_written(void) {
  u64 walked = 0;
  for (u64 from = 0; from < TOP; from = walked) {
    long count = scan(from, &walked);
    if (count < 0) return count;
    for (struct scanned *s = SCANNED; s < SCANNED + count; s++) {
      for (u64 page = s->start; page < s->end; page += PAGE) {
        const struct region *region = region_of(page);
        if (!region) return -BAD_MAPS;
        if (region->flags & (SHARED | KERNEL)) continue;
        if (!(region->flags & READ) || !(region->flags & WRITE)) return -BAD_MAPS;
        if (C->pages >= MOST_PAGES || C->slots >= MOST_SLOTS) return -NO_ROOM;
        PAGES[C->pages++] = (struct page){ page, C->slots, 0, 0 };
        copy(SLOT(C->slots++), page, PAGE);
      }
    }
  }
  make_runs();
  return 0;
}

/* Pages that were clean at the mark and are not any more. Where there is room they are copied back from here on. */
static long take_back(const struct region *region, u64 start, u64 end, u32 *added) {
  if (sys(SYS_MADVISE, start, end - start, MADV_DONTNEED) < 0) return -BAD_MAPS;
  if ((region->flags & (READ | WRITE)) != (READ | WRITE)) return 0;
  for (u64 page = start; page < end; page += PAGE) {
    if (C->pages + *added >= C->cap) return 0;
    u32 slot;
    if (C->free) slot = FREE[--C->free];
    else if (C->slots < MOST_SLOTS) slot = C->slots++;
    else return 0;
    copy(SLOT(slot), page, PAGE);
    NEW[(*added)++] = (struct page){ page, slot, 0, 1 };
  }
  return 0;
}

/* Gives back what was written outside of the pages that are copied back: what lies beneath is what it was. */
long take_back_written(void) {
  u64 walked = 0;
  u32 added = 0;
  long result;
  for (u64 from = 0; from < TOP; from = walked) {
    long count = scan(from, &walked);
    if (count < 0) return count;
    for (struct scanned *s = SCANNED; s < SCANNED + count; s++) {
      u32 known = place_of(s->start);
      for (u64 page = s->start; page < s->end;) {
        if (known < C->pages && PAGES[known].address == page) { known++; page += PAGE; continue; }
        const struct region *region = region_of(page);
        if (!region) return -BAD_MAPS;
        if (region->flags & (SHARED | KERNEL)) { page += PAGE; continue; }
        u64 end = s->end < region->end ? s->end : region->end;
        if (known < C->pages && PAGES[known].address < end) end = PAGES[known].address;
        if ((result = take_back(region, page, end, &added)) < 0) return result;
        page = end;
      }
    }
  }
  /* Both are in the order of their addresses. */
  u32 old = C->pages, both = old + added;
  C->pages = both;
  C->joined += added;
  while (added > 0) {
    if (old > 0 && PAGES[old - 1].address > NEW[added - 1].address) PAGES[--both] = PAGES[--old];
    else PAGES[--both] = NEW[--added];
  }
  make_runs();
  return 0;
}

/* Lets go of pages that were clean at the mark, and that the last connections left alone. */
void forget_idle(void) {
  u32 idle = 0, kept = 0;
  for (u32 i = 0; i < C->pages; i++) {
    struct page *p = PAGES + i;
    if (!p->was_clean) continue;
    p->idle = same((void *)p->address, (void *)SLOT(p->slot), PAGE) ? p->idle + 1 : 0;
    if (p->idle >= IDLE_LOOKS) idle++;
  }
  if (idle < IDLE_PAGES) return; /* a few are not worth the faults when they are written to again */
  for (u32 i = 0; i < C->pages; i++) {
    struct page *p = PAGES + i;
    if (p->idle >= IDLE_LOOKS && sys(SYS_MADVISE, p->address, PAGE, MADV_DONTNEED) == 0) {
      sys(SYS_MADVISE, SLOT(p->slot), PAGE, MADV_DONTNEED);
      FREE[C->free++] = p->slot;
    } else PAGES[kept++] = *p;
  }
  C->pages = kept;
  make_runs();
}
