/* Settling: see settle.ts. */
#include "system.h"

struct entry { u64 address, length, file, offset, protection; };

/* First writes each region into the file, then maps each part of the file over its region, and at last forgets
   what deeper calls left on the stack, from its lowest address to 64 KiB below its end. It writes to no memory but
   its stack, which is no such region. Returns 0, or what the call that failed returned. */
EXPORTED long mpserv_settle(const struct entry *table, int count, u64 stack) {
  const struct entry *end = table + count;
  long result;
  for (const struct entry *e = table; e < end; e++) {
    result = sys(SYS_PWRITE64, e->file, e->address, e->length, e->offset);
    if (result != (long)e->length) return result ? result : -1;
  }
  for (const struct entry *e = table; e < end; e++) {
    result = sys(SYS_MMAP, e->address, e->length, e->protection, MAP_PRIVATE | MAP_FIXED, e->file, e->offset);
    if (result != (long)e->address) return result;
    volatile u8 *first = (volatile u8 *)e->address;
    if (e->protection & PROT_WRITE) *first = *first; /* children get what is read of a region once written */
  }
  u64 here = (u64)__builtin_frame_address(0) - 0x10000;
  if (stack && here > stack) sys(SYS_MADVISE, stack, here - stack, MADV_DONTNEED);
  return 0;
}
