/* A lock file says which process is a volume's server or holder: held by flock for the process's whole life,
   so that the kernel, and not a pid file, tells whether it still runs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "launcher.h"

static void on_alarm(int signal) { (void)signal; }

/* The pid of an earlier owner, which may be somebody else's by now, must not pass for this one's. */
static int taken(int lock) {
  if (ftruncate(lock, 0) < 0) fail(EXIT_FAILED, errno, "empty the lock file");
  return lock;
}

static int lock_within(int lock, long wait_ms, const char *path) {
  if (flock(lock, LOCK_EX | LOCK_NB) == 0) return 1;
  if (errno != EWOULDBLOCK) fail(EXIT_FAILED, errno, "lock %s", path);
  if (wait_ms <= 0) return 0;
  /* Without SA_RESTART: the alarm ends flock with EINTR. It repeats, should it come before flock sleeps. */
  struct sigaction action = {.sa_handler = on_alarm};
  struct itimerval timer = {.it_value = {wait_ms / 1000, wait_ms % 1000 * 1000 + 1},
                            .it_interval = {0, 100000}};
  struct itimerval never = {0};
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &timer, NULL);
  int result = flock(lock, LOCK_EX);
  int error = errno;
  setitimer(ITIMER_REAL, &never, NULL);
  signal(SIGALRM, SIG_DFL);
  if (result < 0 && error != EINTR) fail(EXIT_FAILED, error, "lock %s", path);
  return result == 0;
}

int take_lock(const char *path, long wait_ms) {
  int lock = open(path, O_RDWR | O_CREAT, 0600);
  if (lock < 0) fail(EXIT_FAILED, errno, "open %s", path);
  if (lock_within(lock, wait_ms, path)) return taken(lock);
  close(lock);
  return -1;
}

/* Which pid namespace this is; 0 when /proc does not tell. */
static unsigned long own_pid_namespace(void) {
  struct stat found;
  return stat("/proc/self/ns/pid", &found) < 0 ? 0 : found.st_ino;
}

void write_pid(int lock, int pid) {
  char text[48];
  int length = snprintf(text, sizeof text, "%d %lu\n", pid, own_pid_namespace());
  if (ftruncate(lock, 0) < 0 || pwrite(lock, text, length, 0) != length)
    fail(EXIT_FAILED, errno, "write the pid");
}

void lock_standard_input(long wait_ms, int owner) {
  /* Nobody would use it after its caller. */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) fail(EXIT_FAILED, errno, "end with the caller");
  /* flock belongs to the open file, which the caller shares: it stays locked when this process has ended. */
  if (!lock_within(0, wait_ms, "standard input"))
    fail(EXIT_BUSY, 0, "another process has the lock");
  if (owner > 0) write_pid(taken(0), owner);
}

/* The pid in a lock file and whether it is one of another pid namespace. A file without a namespace is an earlier
   release's: of this one. */
static int read_pid(int lock, int *is_elsewhere) {
  char text[48] = "";
  int pid = 0;
  unsigned long space = 0, own = own_pid_namespace();
  if (pread(lock, text, sizeof text - 1, 0) <= 0 || sscanf(text, "%d %lu", &pid, &space) < 1) return 0;
  *is_elsewhere = space != 0 && own != 0 && space != own;
  return pid;
}

int is_locked_elsewhere(const char *path) {
  int is_elsewhere = 0, lock = open(path, O_RDONLY | O_CLOEXEC);
  if (lock < 0) return 0;
  if (flock(lock, LOCK_EX | LOCK_NB) < 0) read_pid(lock, &is_elsewhere);
  close(lock);
  return is_elsewhere;
}

static int is_listener(int descriptor) {
  int domain = 0, listens = 0;
  socklen_t size = sizeof domain, length = sizeof listens;
  return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_INET &&
         getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens;
}

int listener_of_owner(const char *path, int number) {
  int lock = open(path, O_RDONLY | O_CLOEXEC), is_elsewhere = 0, copy = -1;
  if (lock < 0) return -1;
  if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
    int pid = read_pid(lock, &is_elsewhere);
    int process = pid > 0 && !is_elsewhere ? pidfd_open(pid, 0) : -1;
    /* Still locked after the pid was opened: it is the owner's. */
    if (process >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0) copy = pidfd_getfd(process, number, 0);
    if (process >= 0) close(process);
  }
  close(lock);
  /* The number may be another descriptor's while a server begins or ends. */
  if (copy < 0 || is_listener(copy)) return copy;
  close(copy);
  return -1;
}

void end_lock_owner(const char *path, long grace_ms) {
  int lock = open(path, O_RDWR | O_CLOEXEC);
  if (lock < 0) {
    if (errno == ENOENT) return;
    fail(EXIT_FAILED, errno, "open %s", path);
  }
  int process = -1, pid = 0;
  for (int attempt = 0; process < 0; attempt++) {
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) return;
    int is_elsewhere = 0;
    pid = read_pid(lock, &is_elsewhere);
    /* Its number may be another process's here. */
    if (is_elsewhere)
      fail(EXIT_ELSEWHERE, 0, "%s is locked by process %d of another pid namespace", path, pid);
    process = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (process >= 0) break;
    /* Taken a moment ago and the pid not written yet, or its owner just went. */
    if (attempt == 100)
      fail(EXIT_FAILED, 0, "%s is locked, but by no process of this pid namespace (pid %d)", path, pid);
    usleep(10000);
  }
  /* Still locked after the pid was opened: the descriptor is the owner's, whatever pids do meanwhile. */
  if (flock(lock, LOCK_EX | LOCK_NB) == 0) return;
  struct pollfd gone = {.fd = process, .events = POLLIN};
  if (pidfd_send_signal(process, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
    fail(EXIT_FAILED, errno, "end pid %d", pid);
  if (poll(&gone, 1, (int)grace_ms) > 0) return;
  if (pidfd_send_signal(process, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
    fail(EXIT_FAILED, errno, "kill pid %d", pid);
  if (poll(&gone, 1, 10000) <= 0) fail(EXIT_BUSY, 0, "pid %d does not end", pid);
}
