/* Hangs each process that is forked while the file FLAG, of two bytes, begins with a 1, before fork(2)
   returns in it: as one does that waits for a lock of a thread which it does not have. It makes the second
   byte a 1 then: a process is seen before it has got this far. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile char *flag;

static void hang(void) {
  if (flag[0] != '1') return;
  flag[1] = '1';
  pause();
}

__attribute__((constructor)) static void watch_forks(void) {
  flag = mmap(0, 2, PROT_READ | PROT_WRITE, MAP_SHARED, open(FLAG, O_RDWR | O_CLOEXEC), 0);
  pthread_atfork(0, 0, hang);
}
