/* The regions of this process's memory, as /proc/self/maps shows them, and how they were at the mark. */
#include "rewind.h"

static u64 number(const char **at, int base) {
  u64 value = 0;
  for (;; (*at)++) {
    char c = **at;
    if (c >= '0' && c <= '9') value = value * base + (c - '0');
    else if (base == 16 && c >= 'a' && c <= 'f') value = value * 16 + (c - 'a' + 10);
    else return value;
  }
}

/* Each line: start-end rwxp offset major:minor inode path. Returns how many there are. */
long read_regions(struct region *to) {
  char *text = (char *)TEXT_AT;
  u64 length = 0;
  for (;;) {
    long got = sys(SYS_PREAD64, C->wishes.maps, text + length, TEXT_SIZE - 1 - length, length);
    if (got < 0) return -NO_FILES;
    if (got == 0) break;
    length += got;
    if (length >= TEXT_SIZE - 4096) return -NO_ROOM;
  }
  text[length] = 0;
  long count = 0;
  for (const char *at = text; *at; count++) {
    if (count >= MOST_REGIONS) return -NO_ROOM;
    struct region *r = to + count;
    r->start = number(&at, 16); at++;
    r->end = number(&at, 16); at++;
    r->flags = (at[0] == 'r' ? READ : 0) | (at[1] == 'w' ? WRITE : 0) | (at[2] == 'x' ? EXECUTE : 0) |
               (at[3] == 's' ? SHARED : 0);
    at += 5;
    r->offset = number(&at, 16); at++;
    u32 major = number(&at, 16); at++;
    r->device = major << 20 | number(&at, 16); at++;
    r->inode = number(&at, 10);
    while (*at == ' ') at++;
    if (at[0] == '[' && at[1] == 's') r->flags |= STACK; /* [stack] */
    if (at[0] == '[' && at[1] == 'v') r->flags |= KERNEL; /* [vdso], [vvar], [vvar_vclock], [vsyscall] */
    while (*at && *at != '\n') at++;
    if (*at) at++;
  }
  return count;
}

/* Which region an address was in at the mark; null for none. */
const struct region *region_of(u64 address) {
  u32 low = 0, high = C->then;
  while (low < high) {
    u32 middle = (low + high) / 2;
    if (THEN[middle].end <= address) low = middle + 1;
    else high = middle;
  }
  return low < C->then && THEN[low].start <= address ? THEN + low : 0;
}

/* The descriptor of what a region is of: the image, or what the zygote has settled; -1 for others. */
int file_of(const struct region *region) {
  if (region->inode == C->image_inode && region->device == C->image_device) return C->wishes.image;
  if (region->inode == C->settled_inode && region->device == C->settled_device) return C->wishes.settled;
  return -1;
}

/* Maps again what was there at the mark and is gone. What had been written by then is in the image, and the rest is
   what lies beneath it. */
static long map_again(const struct region *then, u64 start, u64 end) {
  int file = then->inode ? file_of(then) : -1;
  if ((then->flags & (SHARED | STACK | KERNEL)) || (then->inode && file < 0)) return -BAD_MAPS;
  u64 flags = MAP_PRIVATE | MAP_FIXED | (file < 0 ? MAP_ANONYMOUS | MAP_NORESERVE : 0);
  long result = sys(SYS_MMAP, start, end - start, then->flags & 7, flags, file,
                    file < 0 ? 0 : then->offset + (start - then->start));
  return result == (long)start ? 0 : -BAD_MAPS;
}

static int is_same_place(const struct region *then, const struct region *now, u64 at) {
  if (then->inode != now->inode || then->device != now->device) return 0;
  if ((then->flags ^ now->flags) & SHARED) return 0;
  return !then->inode || then->offset + (at - then->start) == now->offset + (at - now->start);
}

/* A reserve of the mark that is in use: it stays one that can be used, with nothing in it. */
static int is_used_reserve(const struct region *then, const struct region *now) {
  return (then->flags & 15) == 0 && (now->flags & 15) == (READ | WRITE) && !then->inode;
}

/* Makes the regions those of the mark: what is new is unmapped, what is gone is mapped again, protections are put
   back. With only_look, the first difference is an error. */
long repair_regions(int only_look) {
  long count = read_regions(NOW), result;
  if (count < 0) return count;
  struct region *then = THEN, *last_then = THEN + C->then;
  struct region *now = NOW, *last_now = NOW + count;
  u64 at = 0;
  int has_used = 0;
  while (then < last_then || now < last_now) {
    if (now < last_now && in_context(now->start)) { now++; continue; }
    if (then < last_then && in_context(then->start)) { then++; continue; }
    u64 then_start = then < last_then ? (then->start > at ? then->start : at) : ~0UL;
    u64 now_start = now < last_now ? (now->start > at ? now->start : at) : ~0UL;
    u64 start = then_start < now_start ? then_start : now_start;
    u64 end;
    if (now_start < then_start) { /* it was not there */
      end = now->end < then_start ? now->end : then_start;
      if ((now->flags & STACK) && then < last_then && (then->flags & STACK)) then->start = start; /* it has grown */
      else if (only_look || (now->flags & (STACK | KERNEL))) return -BAD_MAPS;
      else if (sys(SYS_MUNMAP, start, end - start) < 0) return -BAD_MAPS;
    } else if (then_start < now_start) { /* it is gone */
      end = then->end < now_start ? then->end : now_start;
      if (only_look) return -BAD_MAPS;
      if ((result = map_again(then, start, end)) < 0) return result;
    } else {
      end = then->end < now->end ? then->end : now->end;
      if (!is_same_place(then, now, start)) {
        if (only_look) return -BAD_MAPS;
        if ((result = map_again(then, start, end)) < 0) return result;
      } else if ((then->flags ^ now->flags) & 7) {
        if (is_used_reserve(then, now)) has_used = 1;
        else if (only_look || sys(SYS_MPROTECT, start, end - start, then->flags & 7) < 0) return -BAD_MAPS;
      }
    }
    at = end;
    if (then < last_then && then->end <= at) then++;
    if (now < last_now && now->end <= at) now++;
  }
  if (has_used && !only_look) {
    if ((count = read_regions(THEN)) < 0) return count;
    C->then = count;
  }
  return 0;
}
