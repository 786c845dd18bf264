/* Hangs each process that is forked while the file FLAG begins with a 1, before fork(2) returns in it: as
   one does that waits for a lock of a thread which it does not have. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile char *flag;

static void hang(void) {
  if (*flag == '1') pause();
}

__attribute__((constructor)) static void watch_forks(void) {
  flag = mmap(0, 1, PROT_READ, MAP_SHARED, open(FLAG, O_RDONLY | O_CLOEXEC), 0);
  pthread_atfork(0, 0, hang);
}
