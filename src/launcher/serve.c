/* From the launcher to the volume server, in one process: what must be so before the first instruction of Node. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

void redirect_output(const char *path) {
  if (path == NULL) path = "/dev/null";
  else if (mkfifo(path, 0600) < 0 && errno != EEXIST) fail(EXIT_FAILED, errno, "make %s", path);
  /* Reading and writing: there is always a reader, so no EPIPE while the supervisor is away. */
  int output = open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
  if (output < 0) fail(EXIT_FAILED, errno, "open %s", path);
  int nothing = open("/dev/null", O_RDWR);
  if (nothing < 0) fail(EXIT_FAILED, errno, "open /dev/null");
  if (dup2(nothing, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
    fail(EXIT_FAILED, errno, "redirect the output");
  if (output > 2) close(output);
  if (nothing > 2) close(nothing);
}

void drop_capabilities(int keep) {
  /* Root regains at exec what the bounding set still has. */
  for (int one = 0; prctl(PR_CAPBSET_READ, one, 0, 0, 0) >= 0; one++) {
    if (one == keep) continue;
    if (prctl(PR_CAPBSET_DROP, one, 0, 0, 0) < 0) fail(EXIT_FAILED, errno, "drop capability %d", one);
  }
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[2] = {0};
  if (keep >= 0) {
    struct __user_cap_data_struct own[2];
    if (syscall(SYS_capget, &header, own) < 0) fail(EXIT_FAILED, errno, "read the capabilities");
    sets[keep / 32].permitted = sets[keep / 32].effective = own[keep / 32].permitted & (1u << keep % 32);
  }
  if (syscall(SYS_capset, &header, sets) < 0) fail(EXIT_FAILED, errno, "drop the capabilities");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail(EXIT_FAILED, errno, "no_new_privs");
}

/* Out of the way of the fixed numbers, closed at exec. */
static int lift(int descriptor) {
  int lifted = fcntl(descriptor, F_DUPFD_CLOEXEC, 10);
  if (lifted < 0) fail(EXIT_FAILED, errno, "duplicate a descriptor");
  close(descriptor);
  return lifted;
}

/* At a fixed number, kept over exec. */
static void place(int descriptor, int number) {
  if (dup2(descriptor, number) < 0) fail(EXIT_FAILED, errno, "descriptor %d", number);
  close(descriptor);
}

/* Serving without the limit is better than not serving. */
static void enter_cgroup(const char *path) {
  char file[512];
  snprintf(file, sizeof file, "%s/cgroup.procs", path);
  int processes = open(file, O_WRONLY | O_CLOEXEC);
  if (processes < 0 || write(processes, "0", 1) != 1)
    fprintf(stderr, "s3files-launcher: enter %s: %s\n", file, strerror(errno));
  if (processes >= 0) close(processes);
}

void serve(const struct options *options) {
  int lock = options->is_late ? open(options->lock, O_RDWR | O_CREAT, 0600) : take_lock(options->lock, options->wait_ms);
  if (lock < 0 && options->is_late) fail(EXIT_FAILED, errno, "open %s", options->lock);
  if (lock < 0) fail(EXIT_BUSY, 0, "another process serves this volume (%s)", options->lock);
  if (!options->is_late) write_pid(lock, getpid());
  int listener = receive_listener(options->socket);
  if (listener < 0) fail(EXIT_FAILED, errno, "no holder answers at %s", options->socket);
  listener = lift(listener);
  lock = lift(lock);
  place(listener, 3);
  place(lock, 4);
  /* Kept over exec and inherited by every thread. facts/nfs.md §15: without it a loopback mount deadlocks. */
  if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0 && !options->allow_no_io_flusher)
    fail(EXIT_FAILED, errno,
         errno == EINVAL ? "PR_SET_IO_FLUSHER is missing: the kernel is older than 5.6"
                         : "PR_SET_IO_FLUSHER needs CAP_SYS_RESOURCE: run the supervisor privileged");
  if (options->cgroup != NULL) enter_cgroup(options->cgroup);
  /* Root's files may lie below a home directory that only its owner may search. */
  drop_capabilities(CAP_DAC_READ_SEARCH);
  if (options->output != NULL) redirect_output(options->output);
  execvp(options->program[0], options->program);
  fail(EXIT_FAILED, errno, "execute %s", options->program[0]);
}
