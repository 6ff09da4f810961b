/*
 * File system calls that Node does not have, for the tests on a mount; one static program, because a fork and exec
 * of a shell or of perl costs far more in a guest.
 *
 *   fs-probe hold flock|fcntl sh|ex <file> [<start> <length>]   waits for the lock, prints "locked", keeps it until
 *                                                               stdin ends
 *   fs-probe try  flock|fcntl sh|ex <file> [<start> <length>]   prints "locked" or "busy"
 *   fs-probe mmap <file> <offset> <length> <byte>               fills the range through a shared mapping, and msyncs
 *   fs-probe race <file> <n>                                    n processes create the file with O_EXCL at one moment;
 *                                                               prints how many won and how many saw EEXIST
 *   fs-probe many <directory> <n>                               creates n empty files called entry-00000 and so on
 *   fs-probe punch <file> <offset> <length>                     fallocate PUNCH_HOLE | KEEP_SIZE
 *   fs-probe allocate <file> <offset> <length>                  fallocate without flags
 *   fs-probe seek <file> data|hole <offset>                     prints where it is, or the errno's name: ENXIO
 *   fs-probe copy <file> <offset> <file> <offset> <length>      copy_file_range until all is copied; prints the calls
 *   fs-probe setxattr <file> <name> <value> either|create|replace
 *   fs-probe getxattr <file> <name>                             prints the value
 *   fs-probe listxattr <file>                                   prints the names, one a line
 *   fs-probe removexattr <file> <name>
 *   fs-probe fsyncdir <directory>                               fsync of a directory
 *
 * Exit code 0, or 1 with the failed call and its errno on stderr, or 2 for wrong usage.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void fail(const char *call) {
  fprintf(stderr, "%s: %s (errno %d)\n", call, strerror(errno), errno);
  exit(1);
}

static int open_or_fail(const char *path, int flags) {
  int fd = open(path, flags, 0644);
  if (fd < 0) fail(path);
  return fd;
}

static int lock(int argc, char **argv, int wait) {
  if (argc != 5 && argc != 7) return 2;
  int exclusive = strcmp(argv[3], "ex") == 0;
  int fd = open_or_fail(argv[4], O_RDWR);
  int result;
  if (strcmp(argv[2], "flock") == 0) {
    result = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB));
  } else {
    struct flock range = {
        .l_type = exclusive ? F_WRLCK : F_RDLCK,
        .l_whence = SEEK_SET,
        .l_start = argc == 7 ? atoll(argv[5]) : 0,
        .l_len = argc == 7 ? atoll(argv[6]) : 0,
    };
    result = fcntl(fd, wait ? F_SETLKW : F_SETLK, &range);
  }
  if (result != 0 && (wait || (errno != EAGAIN && errno != EACCES))) fail(argv[2]);
  puts(result == 0 ? "locked" : "busy");
  fflush(stdout);
  char byte;
  while (wait && read(0, &byte, 1) > 0) {
  }
  return 0;
}

static int fill_by_mmap(char **argv) {
  off_t offset = atoll(argv[3]);
  size_t length = (size_t)atoll(argv[4]);
  size_t before = (size_t)(offset % sysconf(_SC_PAGESIZE));
  int fd = open_or_fail(argv[2], O_RDWR);
  char *map = mmap(NULL, before + length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset - (off_t)before);
  if (map == MAP_FAILED) fail("mmap");
  memset(map + before, argv[5][0], length);
  if (msync(map, before + length, MS_SYNC) != 0) fail("msync");
  if (munmap(map, before + length) != 0) fail("munmap");
  if (close(fd) != 0) fail("close");
  return 0;
}

static int race(const char *path, int count) {
  int gate[2];
  if (pipe(gate) != 0) fail("pipe");
  for (int i = 0; i < count; i++) {
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid > 0) continue;
    char byte;
    close(gate[1]);
    if (read(gate[0], &byte, 1) != 0) _exit(3); /* the end of the pipe is the start of the race */
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
    _exit(fd >= 0 ? 0 : errno == EEXIST ? 1 : 2);
  }
  close(gate[0]);
  close(gate[1]);
  int seen[3] = {0, 0, 0};
  for (int i = 0; i < count; i++) {
    int status;
    if (wait(&status) < 0) fail("wait");
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 2;
    seen[code < 2 ? code : 2]++;
  }
  printf("%d won, %d EEXIST, %d other\n", seen[0], seen[1], seen[2]);
  return 0;
}

static int many(const char *directory, int count) {
  int parent = open_or_fail(directory, O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < count; i++) {
    char name[32];
    snprintf(name, sizeof name, "entry-%05d", i);
    int fd = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (fd < 0) fail(name);
    if (close(fd) != 0) fail("close");
  }
  return 0;
}

static int seek(const char *path, const char *what, off_t from) {
  int fd = open_or_fail(path, O_RDONLY);
  off_t at = lseek(fd, from, strcmp(what, "data") == 0 ? SEEK_DATA : SEEK_HOLE);
  if (at >= 0) printf("%lld\n", (long long)at);
  else if (errno == ENXIO) printf("ENXIO\n");
  else fail("lseek");
  return 0;
}

static int copy(char **argv) {
  int from = open_or_fail(argv[2], O_RDONLY), to = open_or_fail(argv[4], O_RDWR | O_CREAT);
  off_t source = atoll(argv[3]), target = atoll(argv[5]);
  long long left = atoll(argv[6]);
  int calls = 0;
  while (left > 0) {
    ssize_t done = copy_file_range(from, &source, to, &target, left, 0);
    if (done < 0) fail("copy_file_range");
    if (done == 0) break;
    left -= done;
    calls++;
  }
  if (close(to) != 0) fail("close");
  printf("%d\n", calls);
  return 0;
}

static int extended(int argc, char **argv) {
  const char *verb = argv[1], *path = argc > 2 ? argv[2] : "";
  static char buffer[65536];
  ssize_t bytes;
  if (strcmp(verb, "setxattr") == 0 && argc == 6) {
    int flags = strcmp(argv[5], "create") == 0 ? XATTR_CREATE
                : strcmp(argv[5], "replace") == 0 ? XATTR_REPLACE : 0;
    if (setxattr(path, argv[3], argv[4], strlen(argv[4]), flags) != 0) fail("setxattr");
    return 0;
  }
  if (strcmp(verb, "getxattr") == 0 && argc == 4) {
    if ((bytes = getxattr(path, argv[3], buffer, sizeof buffer)) < 0) fail("getxattr");
    fwrite(buffer, 1, bytes, stdout);
    return 0;
  }
  if (strcmp(verb, "listxattr") == 0 && argc == 3) {
    if ((bytes = listxattr(path, buffer, sizeof buffer)) < 0) fail("listxattr");
    for (ssize_t at = 0; at < bytes; at += strlen(buffer + at) + 1) puts(buffer + at);
    return 0;
  }
  if (strcmp(verb, "removexattr") == 0 && argc == 4) {
    if (removexattr(path, argv[3]) != 0) fail("removexattr");
    return 0;
  }
  return 2;
}

int main(int argc, char **argv) {
  const char *verb = argc > 1 ? argv[1] : "";
  int result = 2;
  if (strcmp(verb, "hold") == 0) result = lock(argc, argv, 1);
  else if (strcmp(verb, "try") == 0) result = lock(argc, argv, 0);
  else if (strcmp(verb, "mmap") == 0 && argc == 6) result = fill_by_mmap(argv);
  else if (strcmp(verb, "race") == 0 && argc == 4) result = race(argv[2], atoi(argv[3]));
  else if (strcmp(verb, "many") == 0 && argc == 4) result = many(argv[2], atoi(argv[3]));
  else if (strcmp(verb, "seek") == 0 && argc == 5) result = seek(argv[2], argv[3], atoll(argv[4]));
  else if (strcmp(verb, "copy") == 0 && argc == 7) result = copy(argv);
  else if (strstr(verb, "xattr") != NULL) result = extended(argc, argv);
  else if (strcmp(verb, "allocate") == 0 && argc == 5) {
    int fd = open_or_fail(argv[2], O_RDWR | O_CREAT);
    if (fallocate(fd, 0, atoll(argv[3]), atoll(argv[4])) != 0) fail("fallocate");
    result = 0;
  } else if (strcmp(verb, "punch") == 0 && argc == 5) {
    int fd = open_or_fail(argv[2], O_RDWR);
    int how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (fallocate(fd, how, atoll(argv[3]), atoll(argv[4])) != 0) fail("fallocate");
    result = 0;
  } else if (strcmp(verb, "fsyncdir") == 0 && argc == 3) {
    if (fsync(open_or_fail(argv[2], O_RDONLY | O_DIRECTORY)) != 0) fail("fsync");
    result = 0;
  }
  if (result == 2) fprintf(stderr, "fs-probe: wrong usage, see its source\n");
  return result;
}
