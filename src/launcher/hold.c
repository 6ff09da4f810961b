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

static noreturn void hand_out(int door, int listener) {
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
    struct ucred who;
    socklen_t size = sizeof who;
    if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == geteuid())
      send_descriptor(peer, listener);
    close(peer);
  }
}

int receive_listener(const char *path) {
  struct sockaddr_un address = unix_address(path);
  int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (peer < 0) fail(EXIT_FAILED, errno, "socket");
  if (connect(peer, (struct sockaddr *)&address, sizeof address) < 0)
    fail(EXIT_FAILED, errno, "no holder answers at %s", path);
  char byte;
  struct iovec content = {.iov_base = &byte, .iov_len = 1};
  union {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct msghdr message = {.msg_iov = &content, .msg_iovlen = 1, .msg_control = control.space,
                           .msg_controllen = sizeof control.space};
  ssize_t got = recvmsg(peer, &message, MSG_CMSG_CLOEXEC);
  if (got < 0) fail(EXIT_FAILED, errno, "receive the listening socket from %s", path);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (got == 0 || header == NULL || header->cmsg_type != SCM_RIGHTS)
    fail(EXIT_FAILED, 0, "the holder at %s sent no listening socket", path);
  int listener;
  memcpy(&listener, CMSG_DATA(header), sizeof(int));
  close(peer);
  return listener;
}

void hold(const struct options *options) {
  int lock = take_lock(options->lock, 0);
  if (lock < 0) {
    /* A holder is there. It must also answer. */
    close(receive_listener(options->socket));
    return;
  }
  char beside[sizeof((struct sockaddr_un *)0)->sun_path];
  if (snprintf(beside, sizeof beside, "%s.new", options->socket) >= (int)sizeof beside)
    fail(EXIT_USAGE, 0, "%s is too long for a unix socket", options->socket);
  struct sockaddr_un address = unix_address(beside);
  int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (door < 0) fail(EXIT_FAILED, errno, "socket");
  if (unlink(beside) < 0 && errno != ENOENT) fail(EXIT_FAILED, errno, "remove %s", beside);
  umask(0177);
  if (bind(door, (struct sockaddr *)&address, sizeof address) < 0 || listen(door, 16) < 0)
    fail(EXIT_FAILED, errno, "listen at %s", beside);
  enter_namespace(options->pin);
  int listener = nfs_listener();
  /* From here on whoever finds the path also gets the socket. */
  if (rename(beside, options->socket) < 0) fail(EXIT_FAILED, errno, "rename %s", beside);
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
  prctl(PR_SET_NAME, "s3files-hold");
  hand_out(door, listener);
}
