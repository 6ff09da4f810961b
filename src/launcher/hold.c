/* The holder: a process that owns a volume's listening socket and hands out duplicates. It does nothing else,
   so that it has no reason to end before the volume does. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "launcher.h"

static const size_t path_size = sizeof((struct sockaddr_un *)0)->sun_path;

static struct sockaddr_un unix_address(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path)
    fail(EXIT_USAGE, 0, "%s is too long for a unix socket", path);
  strcpy(address.sun_path, path);
  return address;
}

static int nfs_listener(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(2049)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int yes = 1;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) fail(EXIT_FAILED, errno, "socket");
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0)
    fail(EXIT_FAILED, errno, "bind 127.0.0.1:2049");
  if (listen(listener, 128) < 0) fail(EXIT_FAILED, errno, "listen");
  return listener;
}

static void send_descriptor(int peer, int descriptor) {
  char byte = 'l';
  struct iovec content = {.iov_base = &byte, .iov_len = 1};
  union {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control = {0};
  struct msghdr message = {.msg_iov = &content, .msg_iovlen = 1, .msg_control = control.space,
                           .msg_controllen = sizeof control.space};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  if (sendmsg(peer, &message, MSG_NOSIGNAL) < 0) perror("s3files-launcher: hand out the socket");
}

static int is_at(const char *path, const struct stat *door) {
  struct stat found;
  return lstat(path, &found) == 0 && found.st_dev == door->st_dev && found.st_ino == door->st_ino;
}

/* Until its door has been moved away, which whoever does it then tells by a knock, and gets the socket once more: it
   may be the last (see take_over_lock). */
static noreturn void hand_out(int door, int listener, const char *path, const struct stat *place) {
  for (;;) {
    int peer = accept4(door, NULL, NULL, SOCK_CLOEXEC);
    if (peer < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      /* The machine is short of something for a moment: no reason to give the socket up. */
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        usleep(100000);
        continue;
      }
      fail(EXIT_FAILED, errno, "accept at the holder's socket");
    }
    int is_over = !is_at(path, place);
    struct ucred who;
    socklen_t size = sizeof who;
    if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == geteuid())
      send_descriptor(peer, listener);
    if (is_over) _exit(0);
    close(peer);
  }
}

int receive_listener(const char *path) {
  struct sockaddr_un address = unix_address(path);
  int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (peer < 0) fail(EXIT_FAILED, errno, "socket");
  if (connect(peer, (struct sockaddr *)&address, sizeof address) < 0) {
    int error = errno;
    close(peer);
    errno = error;
    return -1;
  }
  char byte;
  struct iovec content = {.iov_base = &byte, .iov_len = 1};
  union {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct msghdr message = {.msg_iov = &content, .msg_iovlen = 1, .msg_control = control.space,
                           .msg_controllen = sizeof control.space};
  ssize_t got = recvmsg(peer, &message, MSG_CMSG_CLOEXEC);
  int error = errno;
  struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  close(peer);
  if (header == NULL || header->cmsg_type != SCM_RIGHTS) {
    /* It ended meanwhile, or is about to. */
    errno = got < 0 ? error : ECONNRESET;
    return -1;
  }
  int listener;
  memcpy(&listener, CMSG_DATA(header), sizeof(int));
  return listener;
}

static void beside(char *space, const char *path, const char *ending) {
  if (snprintf(space, path_size, "%s%s", path, ending) >= (int)path_size)
    fail(EXIT_USAGE, 0, "%s is too long for a unix socket", path);
}

/* A socket of a namespace that was made anew since then would never see a client. */
static int of_this_pin(const char *pin, int listener) {
  if (listener < 0 || is_socket_of(pin, listener)) return listener;
  close(listener);
  return -1;
}

/* Moves the door away and knocks, so that its owner ends, and takes the lock when it is free. What the owner gives
   goes to *listener, if that is -1. Whoever died half-way through this has left a moved door, and its owner behind it. */
static int take_over_lock(const char *path, const char *lock, long grace_ms, int *listener) {
  char moved[path_size];
  beside(moved, path, ".old");
  for (long waited = 0;; waited += 20) {
    if (rename(path, moved) < 0 && errno != ENOENT) fail(EXIT_FAILED, errno, "rename %s", path);
    int given = receive_listener(moved);
    if (given >= 0 && *listener < 0) *listener = given;
    else if (given >= 0) close(given);
    int taken = take_lock(lock, 0);
    if (taken >= 0 && unlink(moved) < 0 && errno != ENOENT) fail(EXIT_FAILED, errno, "remove %s", moved);
    if (taken >= 0 || waited >= grace_ms) return taken;
    usleep(20000);
  }
}

void release_holder(const char *path, const char *lock, long grace_ms) {
  if (access(lock, F_OK) < 0 && errno == ENOENT && access(path, F_OK) < 0) return;
  int listener = -1, taken = take_over_lock(path, lock, grace_ms, &listener);
  if (listener >= 0) close(listener);
  if (taken >= 0) {
    close(taken);
    return;
  }
  /* An earlier release's, or one that hangs. */
  end_lock_owner(lock, grace_ms);
  char moved[path_size];
  beside(moved, path, ".old");
  if (unlink(moved) < 0 && errno != ENOENT) fail(EXIT_FAILED, errno, "remove %s", moved);
}

static void leave_holder(const struct options *options, int may_make) {
  const char *path = options->socket;
  int lock = take_lock(options->lock, 0);
  int listener = -1;
  if (lock < 0) {
    /* A holder is there, with the right socket as a rule. One of another pid namespace ends with its pod. */
    listener = of_this_pin(options->pin, receive_listener(path));
    if (listener >= 0 && !is_locked_elsewhere(options->lock)) return;
    if (listener < 0) lock = take_over_lock(path, options->lock, 2000, &listener);
    listener = of_this_pin(options->pin, listener);
  }
  if (listener < 0 && options->from != NULL)
    listener = of_this_pin(options->pin, receive_listener(options->from));
  /* Whoever had it is gone, but not the server. */
  if (listener < 0 && options->server != NULL)
    listener = of_this_pin(options->pin, listener_of_owner(options->server, 3));
  if (listener < 0 && !may_make)
    fail(EXIT_FAILED, 0, "no holder of the socket of %s answers at %s", options->pin, options->from);

  char fresh[path_size];
  beside(fresh, path, ".new");
  struct sockaddr_un address = unix_address(fresh);
  int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (door < 0) fail(EXIT_FAILED, errno, "socket");
  if (unlink(fresh) < 0 && errno != ENOENT) fail(EXIT_FAILED, errno, "remove %s", fresh);
  umask(0177);
  if (bind(door, (struct sockaddr *)&address, sizeof address) < 0 || listen(door, 16) < 0)
    fail(EXIT_FAILED, errno, "listen at %s", fresh);
  if (lock < 0) lock = take_over_lock(path, options->lock, 2000, &listener);
  if (lock < 0) {
    char moved[path_size];
    beside(moved, path, ".old");
    /* An earlier release's holder, which does not give way. */
    if (rename(moved, path) < 0) fail(EXIT_FAILED, errno, "rename %s", moved);
    if (listener < 0) fail(EXIT_BUSY, 0, "the holder at %s does not end", path);
    if (unlink(fresh) < 0) fail(EXIT_FAILED, errno, "remove %s", fresh);
    return;
  }
  if (listener < 0) {
    enter_namespace(options->pin);
    listener = nfs_listener();
  }
  struct stat place;
  if (lstat(fresh, &place) < 0) fail(EXIT_FAILED, errno, "stat %s", fresh);
  /* From here on whoever finds the path also gets the socket. */
  if (rename(fresh, path) < 0) fail(EXIT_FAILED, errno, "rename %s", fresh);
  /* All that can fail comes before the fork, so that success means that a holder runs. */
  drop_capabilities(-1);
  redirect_output(options->output);
  int child = fork();
  if (child < 0) fail(EXIT_FAILED, errno, "fork");
  if (child > 0) {
    write_pid(lock, child);
    return;
  }
  /* Here too: the parent may be killed before it gets there, and nobody could end this process then. */
  write_pid(lock, getpid());
  setsid();
  if (chdir("/") < 0) fail(EXIT_FAILED, errno, "chdir /");
  prctl(PR_SET_NAME, may_make ? "s3files-hold" : "s3files-keep");
  hand_out(door, listener, path, &place);
}

void hold(const struct options *options) { leave_holder(options, 1); }

void keep(const struct options *options) { leave_holder(options, 0); }
