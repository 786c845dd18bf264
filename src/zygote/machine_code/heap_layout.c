/* Packing a zygote's memory. V8 asks for each 256 KiB of its heap at a random address below 2^46, so that every
   piece drags page tables of its own through each fork and each exit: more than half of what a fork costs. With that
   range occupied before V8 starts, the kernel puts the pieces side by side. It has to happen before main: the loader
   calls this. Where it cannot be had, forks cost more and all else is the same. */
#include "system.h"

/* From above the pages that no process may map to where V8's random addresses end. */
#define START 0x100000UL
#define LENGTH 0x3fffffe00000UL

EXPORTED void mpserv_pack(void) {
  sys(SYS_MMAP, START, LENGTH, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1UL, 0);
}
