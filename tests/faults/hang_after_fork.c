/* Hangs each process that is forked while the file FLAG, of two bytes, begins with a 1, before fork(2)
   returns in it: as one does that waits for a lock of a thread which it does not have. While it begins with
   a 2, the process only waits for another number. It makes the second byte a 1 then: a process is seen
   before it has got this far. The file is opened in the child alone: a process that keeps one open is not
   forked. */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static void hang(void) {
  int flag = open(FLAG, O_RDWR | O_CLOEXEC);
  char how = '0';
  pread(flag, &how, 1, 0);
  if (how != '0') pwrite(flag, "1", 1, 1);
  if (how == '1') pause();
  while (how == '2') {
    usleep(1000);
    pread(flag, &how, 1, 0);
  }
  close(flag);
}

__attribute__((constructor)) static void watch_forks(void) {
  pthread_atfork(0, 0, hang);
}
