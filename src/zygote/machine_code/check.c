/* The self-check: compares every page with what it was at the mark, beside what rewinding itself believes. */
#include "rewind.h"

/* linux/fs.h */
#define PAGEMAP_SCAN 0xC0606610UL
enum { PAGE_IS_PRESENT = 8, PAGE_IS_SWAPPED = 16 };

static u64 sum_of(u64 address) {
  u64 sum = 0xcbf29ce484222325UL;
  int has_rseq = C->rseq && C->rseq - address < PAGE;
  for (u64 at = address; at < address + PAGE; at += 8) {
    if (has_rseq && at >= C->rseq && at < C->rseq + 32) continue;
    sum = (sum ^ *(u64 *)at) * 0x9e3779b97f4a7c15UL;
    sum ^= sum >> 32;
  }
  return sum;
}

/* Every page that is there, whatever it is of, written or not. */
long note_sums(void) {
  C->sums = 0;
  for (u32 i = 0; i < C->then; i++) {
    const struct region *r = THEN + i;
    if (!(r->flags & READ) || (r->flags & (SHARED | KERNEL)) || in_context(r->start)) continue;
    for (u64 from = r->start; from < r->end;) {
      u64 a[12] = { 96, 0, from, r->end, 0, SCANNED_AT, MOST_SCANNED, 0, 0, 0, PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                    PAGE_IS_PRESENT };
      long count = sys(SYS_IOCTL, C->wishes.pagemap, PAGEMAP_SCAN, a);
      if (count < 0 || a[4] <= from) return -BAD_SCAN;
      from = a[4];
      for (struct scanned *s = SCANNED; s < SCANNED + count; s++) {
        for (u64 page = s->start; page < s->end; page += PAGE) {
          if (C->sums >= MOST_SUMS) return -NO_ROOM;
          SUMS[C->sums++] = (struct sum){ page, sum_of(page) };
        }
      }
    }
  }
  return 0;
}

static int is_zero(u64 page) {
  for (u64 at = page; at < page + PAGE; at += 8) if (*(u64 *)at) return 0;
  return 1;
}

static int was_noted(u64 page) {
  u32 low = 0, high = C->sums;
  while (low < high) {
    u32 middle = (low + high) / 2;
    if (SUMS[middle].address < page) low = middle + 1;
    else high = middle;
  }
  return low < C->sums && SUMS[low].address == page;
}

/* What is of this process alone was there at the mark, or is as nobody had ever written to it. */
static long check_others(void) {
  u64 walked = 0;
  for (u64 from = 0; from < 0x7ffffffff000UL; from = walked) {
    long count = scan(from, &walked);
    if (count < 0) return count;
    for (struct scanned *s = SCANNED; s < SCANNED + count; s++) {
      for (u64 page = s->start; page < s->end; page += PAGE) {
        const struct region *region = region_of(page);
        if (!region || !page_at(page)) return -DIFFERENT;
        if (was_noted(page)) continue;
        if (!region->inode && !is_zero(page)) return -DIFFERENT;
        if (region->inode && file_of(region) >= 0) {
          u64 beneath[PAGE / 8];
          u64 offset = region->offset + (page - region->start);
          if (sys(SYS_PREAD64, file_of(region), beneath, PAGE, offset) != (long)PAGE) return -NO_FILES;
          if (!same(beneath, (void *)page, PAGE)) return -DIFFERENT;
        }
      }
    }
  }
  return 0;
}

long check_sums(void) {
  long result = repair_regions(1);
  if (result < 0) return -DIFFERENT;
  if ((result = check_others()) < 0) return result;
  for (u32 i = 0; i < C->sums; i++) {
    if (sum_of(SUMS[i].address) != SUMS[i].sum) return -DIFFERENT;
  }
  return 0;
}
