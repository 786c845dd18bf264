/* Hangs each process that is forked while the file FLAG, of two bytes, begins with a 1, before fork(2)
   returns in it: as one does that waits for a lock of a thread which it does not have. While it begins with
   a 2, the process only waits for another number. It makes the second byte a 1 then: a process is seen
   before it has got this far. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile char *flag;

static void hang(void) {
  char how = flag[0];
  if (how == '0') return;
  flag[1] = '1';
  if (how == '1') pause();
  while (flag[0] == '2') usleep(1000);
}

__attribute__((constructor)) static void watch_forks(void) {
  flag = mmap(0, 2, PROT_READ | PROT_WRITE, MAP_SHARED, open(FLAG, O_RDWR | O_CLOEXEC), 0);
  pthread_atfork(0, 0, hang);
}
