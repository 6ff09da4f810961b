/* Network namespaces pinned by a bind mount, as `ip netns` does it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "launcher.h"

static int is_namespace(const char *pin) {
  struct statfs found;
  if (statfs(pin, &found) < 0) {
    if (errno == ENOENT) return 0;
    fail(EXIT_FAILED, errno, "statfs %s", pin);
  }
  return found.f_type == NSFS_MAGIC;
}

static void loopback_up(void) {
  struct ifreq lo = {.ifr_name = "lo"};
  int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) fail(EXIT_FAILED, errno, "socket");
  if (ioctl(any, SIOCGIFFLAGS, &lo) < 0) fail(EXIT_FAILED, errno, "flags of lo");
  lo.ifr_flags |= IFF_UP;
  if (ioctl(any, SIOCSIFFLAGS, &lo) < 0) fail(EXIT_FAILED, errno, "lo up");
  close(any);
}

void enter_namespace(const char *pin) {
  if (!is_namespace(pin)) fail(EXIT_FAILED, 0, "%s is not a network namespace", pin);
  int fd = open(pin, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(EXIT_FAILED, errno, "open %s", pin);
  if (setns(fd, CLONE_NEWNET) < 0) fail(EXIT_FAILED, errno, "enter the network namespace %s", pin);
  close(fd);
}

int is_socket_of(const char *pin, int socket) {
  struct stat wanted, found;
  int space = ioctl(socket, SIOCGSKNS);
  if (space < 0) fail(EXIT_FAILED, errno, "the network namespace of a socket");
  if (stat(pin, &wanted) < 0 || fstat(space, &found) < 0)
    fail(EXIT_FAILED, errno, "compare %s and the namespace of a socket", pin);
  close(space);
  return wanted.st_dev == found.st_dev && wanted.st_ino == found.st_ino;
}

void remove_namespace(const char *pin) {
  /* Lazily, and each of several mounts on top of each other. EINVAL: none is left. */
  while (umount2(pin, MNT_DETACH) == 0) continue;
  if (errno != EINVAL && errno != ENOENT) fail(EXIT_FAILED, errno, "umount %s", pin);
  if (unlink(pin) < 0 && errno != ENOENT) fail(EXIT_FAILED, errno, "remove %s", pin);
}

void make_namespace(const char *pin) {
  if (is_namespace(pin)) {
    enter_namespace(pin);
    loopback_up();
    return;
  }
  remove_namespace(pin);
  int file = open(pin, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) fail(EXIT_FAILED, errno, "make %s", pin);
  close(file);
  if (unshare(CLONE_NEWNET) < 0) {
    int error = errno;
    unlink(pin);
    fail(EXIT_FAILED, error, "make a network namespace (needs CAP_SYS_ADMIN)");
  }
  loopback_up();
  if (mount("/proc/self/ns/net", pin, NULL, MS_BIND, NULL) < 0) {
    int error = errno;
    unlink(pin);
    fail(EXIT_FAILED, error, "pin a network namespace at %s", pin);
  }
}
