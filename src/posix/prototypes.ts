/**
 * Every C function that we call, each with its prototype.
 *
 * Results that C declares as `ssize_t` are read as `i32`: no call here asks for 2 GiB or more, and
 * a number is cheaper than a bigint; for the same reason a `size_t` is passed as `u32`, which both
 * ABIs here (System V x86_64, AAPCS64) widen with zeros. A parameter declared "buffer" is passed by address and is not
 * copied: synchronous calls only borrow it; for an asynchronous call the caller keeps it alive.
 *
 * Only `pollAsync` and `parkAsync` run on another thread (`nonblocking: true`): `errno` belongs to a
 * thread, so nothing whose errno matters may run there.
 *
 * @module
 */
/** Name, parameters and result of each, as `Deno.dlopen` takes them. */
const spawnPrototypes = {
  /**
   * `int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *file_actions,
   * const posix_spawnattr_t *attrp, char *const argv[], char *const envp[])`: returns the error's number.
   */
  posix_spawn: {
    parameters: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  /** `int posix_spawn_file_actions_init(posix_spawn_file_actions_t *file_actions)`. */
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  /** `int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *, int fildes, int newfildes)`. */
  posix_spawn_file_actions_adddup2: {
    parameters: ["buffer", "i32", "i32"],
    result: "i32",
  },
  /** `int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int from)` (glibc 2.34). */
  posix_spawn_file_actions_addclosefrom_np: {
    parameters: ["buffer", "i32"],
    result: "i32",
    optional: true,
  },
  /** `int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *file_actions)`. */
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  /** `int posix_spawnattr_init(posix_spawnattr_t *attr)`. */
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  /** `int posix_spawnattr_setflags(posix_spawnattr_t *attr, short flags)`. */
  posix_spawnattr_setflags: { parameters: ["buffer", "i16"], result: "i32" },
  /** `int posix_spawnattr_setpgroup(posix_spawnattr_t *attr, pid_t pgroup)`. */
  posix_spawnattr_setpgroup: { parameters: ["buffer", "i32"], result: "i32" },
  /** `int posix_spawnattr_setsigmask(posix_spawnattr_t *attr, const sigset_t *sigmask)`. */
  posix_spawnattr_setsigmask: {
    parameters: ["buffer", "buffer"],
    result: "i32",
  },
  /** `int posix_spawnattr_setsigdefault(posix_spawnattr_t *attr, const sigset_t *sigdefault)`. */
  posix_spawnattr_setsigdefault: {
    parameters: ["buffer", "buffer"],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** Name, parameters and result of each, as `Deno.dlopen` takes them. */
const linuxPrototypes = {
  /** `int prctl(int option, unsigned long arg2 … arg5)` (Linux). */
  prctl: {
    parameters: ["i32", "buffer", "u32", "u32", "u32"],
    result: "i32",
    optional: true,
  },
  /** `prctl(2)` with numbers and addresses where the above takes a buffer (Linux). */
  prctlNumbers: {
    name: "prctl",
    parameters: ["i32", "u64", "u64", "u64", "u64"],
    result: "i32",
    optional: true,
  },
  /** `long syscall(long number, unsigned int operation, unsigned int flags, void *args)`: seccomp(2) (Linux). */
  syscall: {
    parameters: ["u64", "u32", "u32", "buffer"],
    result: "i32",
    optional: true,
  },
  /** `int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data)` (Linux). */
  capset: { parameters: ["buffer", "buffer"], result: "i32", optional: true },
  /** `long syscall(long number, long arg1 … arg5)` with numbers and addresses (Linux). */
  systemCall: {
    name: "syscall",
    parameters: ["u64", "u64", "u64", "u64", "u64", "u64"],
    result: "i32",
    optional: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** Name, parameters and result of every function, as `Deno.dlopen` takes them. */
export const prototypes = {
  /** `int *__errno_location(void)` (glibc). */
  __errno_location: { parameters: [], result: "pointer", optional: true },
  /** `int *__error(void)` (macOS). */
  __error: { parameters: [], result: "pointer", optional: true },
  /** `int __xpg_strerror_r(int errnum, char *buf, size_t buflen)` (glibc's POSIX strerror_r). */
  __xpg_strerror_r: {
    parameters: ["i32", "buffer", "u32"],
    result: "i32",
    optional: true,
  },
  /** `int strerror_r(int errnum, char *buf, size_t buflen)`. */
  strerror_r: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `void *memcpy(void *dest, const void *src, size_t n)`. */
  memcpy: { parameters: ["buffer", "pointer", "u32"], result: "pointer" },
  /** `int memcmp(const void *s1, const void *s2, size_t n)`. */
  memcmp: { parameters: ["buffer", "buffer", "u32"], result: "i32" },
  /** `int open(const char *path, int flags, ...)`. */
  open: { parameters: ["buffer", "i32"], result: "i32" },
  /** `ssize_t read(int fd, void *buf, size_t count)`. */
  read: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `ssize_t write(int fd, const void *buf, size_t count)`. */
  write: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)`. */
  pwrite: { parameters: ["i32", "buffer", "u32", "i64"], result: "i32" },
  /** `int close(int fd)`. */
  close: { parameters: ["i32"], result: "i32" },
  /** `int fcntl(int fd, int cmd, ... int arg)`. */
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** `fcntl(2)` where variable arguments are on the stack: see `variadicPadding`. */
  fcntlOnStack: {
    name: "fcntl",
    // deno-fmt-ignore
    parameters: ["i32", "i32", "u64", "u64", "u64", "u64", "u64", "u64", "i32"],
    result: "i32",
  },
  /** `char *if_indextoname(unsigned int ifindex, char *ifname)`. */
  if_indextoname: { parameters: ["u32", "buffer"], result: "pointer" },
  /** `int pipe(int pipefd[2])`. */
  pipe: { parameters: ["buffer"], result: "i32" },
  /** `int poll(struct pollfd *fds, nfds_t nfds, int timeout)`. */
  poll: { parameters: ["buffer", "u32", "i32"], result: "i32" },
  /** `poll(2)` on another thread: resolves when it returns. Its errno cannot be read. */
  pollAsync: {
    name: "poll",
    parameters: ["buffer", "u32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  /**
   * `int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *tmo, const sigset_t *mask)`
   * (Linux): `poll(2)` that can wait for less than a millisecond.
   */
  ppoll: {
    parameters: ["buffer", "u32", "buffer", "pointer"],
    result: "i32",
    optional: true,
  },
  /** `int clock_gettime(clockid_t clk_id, struct timespec *tp)`. */
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  /** `int socketpair(int domain, int type, int protocol, int sv[2])`. */
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  /** `int socket(int domain, int type, int protocol)`. */
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** `int bind(int sockfd, const struct sockaddr *addr, socklen_t addrlen)`. */
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int connect(int sockfd, const struct sockaddr *addr, socklen_t addrlen)`. */
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int listen(int sockfd, int backlog)`. */
  listen: { parameters: ["i32", "i32"], result: "i32" },
  /** `int accept(int sockfd, struct sockaddr *addr, socklen_t *addrlen)`. */
  accept: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** `int accept4(int sockfd, struct sockaddr *addr, socklen_t *addrlen, int flags)` (Linux). */
  accept4: {
    parameters: ["i32", "buffer", "buffer", "i32"],
    result: "i32",
    optional: true,
  },
  /** `int getsockname(int sockfd, struct sockaddr *addr, socklen_t *addrlen)`. */
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** `int getpeername(int sockfd, struct sockaddr *addr, socklen_t *addrlen)`. */
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** `int getpeereid(int s, uid_t *euid, gid_t *egid)` (macOS). */
  getpeereid: {
    parameters: ["i32", "buffer", "buffer"],
    result: "i32",
    optional: true,
  },
  /** `int getsockopt(int sockfd, int level, int optname, void *optval, socklen_t *optlen)`. */
  getsockopt: {
    parameters: ["i32", "i32", "i32", "buffer", "buffer"],
    result: "i32",
  },
  /** `int setsockopt(int sockfd, int level, int optname, const void *optval, socklen_t optlen)`. */
  setsockopt: {
    parameters: ["i32", "i32", "i32", "buffer", "u32"],
    result: "i32",
  },
  /** `int shutdown(int sockfd, int how)`. */
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  /** `ssize_t recv(int sockfd, void *buf, size_t len, int flags)`. */
  recv: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  /** `ssize_t send(int sockfd, const void *buf, size_t len, int flags)`. */
  send: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  /**
   * `ssize_t sendto(int sockfd, const void *buf, size_t len, int flags,
   * const struct sockaddr *addr, socklen_t addrlen)`.
   */
  sendto: {
    parameters: ["i32", "buffer", "u32", "i32", "buffer", "u32"],
    result: "i32",
  },
  /** `ssize_t sendmsg(int sockfd, const struct msghdr *msg, int flags)`. */
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  /** `ssize_t recvmsg(int sockfd, struct msghdr *msg, int flags)`. */
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  /** `int kill(pid_t pid, int sig)`. */
  kill: { parameters: ["i32", "i32"], result: "i32" },
  /** `pid_t getpid(void)`. */
  getpid: { parameters: [], result: "i32" },
  /** `pid_t getpgid(pid_t pid)`. */
  getpgid: { parameters: ["i32"], result: "i32" },
  /** `int setpgid(pid_t pid, pid_t pgid)`. */
  setpgid: { parameters: ["i32", "i32"], result: "i32" },
  /** `int getrlimit(int resource, struct rlimit *rlim)`. */
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  /** `int setrlimit(int resource, const struct rlimit *rlim)`. */
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  /** `int setpriority(int which, id_t who, int prio)`. */
  setpriority: { parameters: ["i32", "u32", "i32"], result: "i32" },
  /** `mode_t umask(mode_t mask)`. */
  umask: { parameters: ["u32"], result: "u32" },
  /** `int fchdir(int fd)`. */
  fchdir: { parameters: ["i32"], result: "i32" },
  /** `int chdir(const char *path)`. */
  chdir: { parameters: ["buffer"], result: "i32" },
  /** `struct passwd *getpwnam(const char *name)`. */
  getpwnam: { parameters: ["buffer"], result: "pointer" },
  /** `struct passwd *getpwuid(uid_t uid)`. */
  getpwuid: { parameters: ["u32"], result: "pointer" },
  /** `struct group *getgrnam(const char *name)`. */
  getgrnam: { parameters: ["buffer"], result: "pointer" },
  /** `int getgrouplist(const char *user, gid_t group, gid_t *groups, int *ngroups)`. */
  getgrouplist: {
    parameters: ["buffer", "u32", "buffer", "buffer"],
    result: "i32",
  },
  /** `uid_t geteuid(void)`. */
  geteuid: { parameters: [], result: "u32" },
  /** `int setgroups(size_t size, const gid_t *list)`: of every thread (nptl(7)), as are the next two. */
  setgroups: { parameters: ["u32", "buffer"], result: "i32" },
  /** `int setgid(gid_t gid)`. */
  setgid: { parameters: ["u32"], result: "i32" },
  /** `int setuid(uid_t uid)`. */
  setuid: { parameters: ["u32"], result: "i32" },
  ...linuxPrototypes,
  /** `int ioctl(int fd, unsigned long request, void *argument)`. */
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  /** `pid_t fork(void)`. Never `clone(2)`: libc's runs the handlers of pthread_atfork(3). */
  fork: { parameters: [], result: "i32" },
  /** `pid_t waitpid(pid_t pid, int *wstatus, int options)`. */
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  /** `int waitid(idtype_t idtype, id_t id, siginfo_t *infop, int options)`. */
  waitid: { parameters: ["i32", "u32", "buffer", "i32"], result: "i32" },
  /** `int sigprocmask(int how, const sigset_t *set, sigset_t *oldset)`. */
  sigprocmask: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** `sighandler_t signal(int signum, sighandler_t handler)`. */
  signal: { parameters: ["i32", "u64"], result: "u64" },
  /** `int signalfd(int fd, const sigset_t *mask, int flags)` (Linux). */
  signalfd: {
    parameters: ["i32", "buffer", "i32"],
    result: "i32",
    optional: true,
  },
  /** `int madvise(void *addr, size_t length, int advice)`. */
  madvise: { parameters: ["u64", "u64", "i32"], result: "i32" },
  /** `void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)`. */
  mmap: {
    parameters: ["u64", "u64", "i32", "i32", "i32", "i64"],
    result: "u64",
  },
  /** `ssize_t getrandom(void *buf, size_t buflen, unsigned int flags)` (Linux). */
  getrandom: {
    parameters: ["buffer", "u32", "u32"],
    result: "i32",
    optional: true,
  },
  /** `int unsetenv(const char *name)`. */
  unsetenv: { parameters: ["buffer"], result: "i32" },
  /** `unsigned int alarm(unsigned int seconds)`. */
  alarm: { parameters: ["u32"], result: "u32" },
  /** `int memfd_create(const char *name, unsigned int flags)` (Linux). */
  memfd_create: {
    parameters: ["buffer", "u32"],
    result: "i32",
    optional: true,
  },
  /** `ssize_t readlink(const char *path, char *buf, size_t bufsiz)`. */
  readlink: { parameters: ["buffer", "buffer", "u32"], result: "i32" },
  /** `ssize_t getdents64(int fd, void *dirp, size_t count)` (glibc 2.30). */
  getdents64: {
    parameters: ["i32", "buffer", "u32"],
    result: "i32",
    optional: true,
  },
  /** `int dup3(int oldfd, int newfd, int flags)` (Linux). */
  dup3: { parameters: ["i32", "i32", "i32"], result: "i32", optional: true },
  /** `int dup2(int oldfd, int newfd)`. */
  dup2: { parameters: ["i32", "i32"], result: "i32" },
  /** `int close_range(unsigned int first, unsigned int last, int flags)` (Linux 5.9, glibc 2.34). */
  close_range: {
    parameters: ["u32", "u32", "i32"],
    result: "i32",
    optional: true,
  },
  /** `int access(const char *path, int mode)`. */
  access: { parameters: ["buffer", "i32"], result: "i32" },
  /** `int execve(const char *path, char *const argv[], char *const envp[])`. */
  execve: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  /** `int epoll_create1(int flags)` (Linux). */
  epoll_create1: { parameters: ["i32"], result: "i32", optional: true },
  /** `int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)` (Linux). */
  epoll_ctl: {
    parameters: ["i32", "i32", "i32", "buffer"],
    result: "i32",
    optional: true,
  },
  /** `int eventfd(unsigned int initval, int flags)` (Linux). */
  eventfd: { parameters: ["u32", "i32"], result: "i32", optional: true },
  /**
   * `int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *tmo, const sigset_t *mask)`
   * on another thread, which with no descriptor and no time-out never comes back (Linux).
   */
  parkAsync: {
    name: "ppoll",
    parameters: ["pointer", "u32", "pointer", "buffer"],
    result: "i32",
    nonblocking: true,
    optional: true,
  },
  ...spawnPrototypes,
  /** `void _exit(int status)`. */
  _exit: { parameters: ["i32"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Those that no process calls more than a few times, and that have four parameters at most. */
export const SELDOM: ReadonlySet<string> = new Set([
  ...Object.keys(spawnPrototypes).filter((name) => name !== "posix_spawn"),
  ...`__xpg_strerror_r strerror_r memcpy memcmp access chdir fchdir readlink
    getdents64 close_range dup2 memfd_create pwrite capset geteuid getgrnam
    getgrouplist getpwnam getpwuid setgid setgroups setuid getpeereid getrlimit
    setrlimit setpriority umask getpgid alarm signal signalfd pipe
    if_indextoname listen bind execve`.split(/\s+/),
]);
