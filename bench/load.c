/*
 * The loads of the benchmark: one program, because a fork costs 10 to 20 ms in a guest. Prints the seconds that the
 * calls took.
 *
 *   bench-load write  <file> <MiB>             1 MiB at a time, then fsync and close
 *   bench-load read   <file>                   1 MiB at a time, to the end
 *   bench-load create <directory> <n> <bytes>  create, write, close
 *   bench-load stat   <directory> <n>          stat of each
 *   bench-load unlink <directory> <n>
 *
 * Exit code 0, or 1 with the failed call on stderr, or 2 for wrong usage.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MEBIBYTE = 1024 * 1024 };
static char block[MEBIBYTE];

static void fail(const char *call) {
  fprintf(stderr, "%s: %s\n", call, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Words that differ from one another and from block to block: nothing compresses, nothing is equal. */
static void fill(unsigned long long seed) {
  unsigned long long x = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (size_t i = 0; i < MEBIBYTE; i += sizeof x) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    memcpy(block + i, &x, sizeof x);
  }
}

static void write_all(int fd, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t n = write(fd, block + done, length - done);
    if (n < 0) fail("write");
    done += (size_t)n;
  }
}

static void write_file(const char *path, int mebibytes) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) fail(path);
  for (int i = 0; i < mebibytes; i++) write_all(fd, MEBIBYTE);
  if (fsync(fd) != 0) fail("fsync");
  if (close(fd) != 0) fail("close");
}

static void read_file(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) fail(path);
  ssize_t n;
  while ((n = read(fd, block, MEBIBYTE)) > 0) {
  }
  if (n < 0) fail("read");
  close(fd);
}

static void each(const char *verb, const char *directory, int count, size_t bytes) {
  int parent = open(directory, O_RDONLY | O_DIRECTORY);
  if (parent < 0) fail(directory);
  for (int i = 0; i < count; i++) {
    char name[32];
    struct stat found;
    snprintf(name, sizeof name, "file-%05d", i);
    if (strcmp(verb, "create") == 0) {
      int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
      if (fd < 0) fail(name);
      write_all(fd, bytes);
      if (close(fd) != 0) fail("close");
    } else if (strcmp(verb, "stat") == 0) {
      if (fstatat(parent, name, &found, 0) != 0) fail(name);
    } else if (unlinkat(parent, name, 0) != 0) {
      fail(name);
    }
  }
}

int main(int argc, char **argv) {
  const char *verb = argc > 1 ? argv[1] : "";
  fill(4711);
  double began = now();
  if (strcmp(verb, "write") == 0 && argc == 4) write_file(argv[2], atoi(argv[3]));
  else if (strcmp(verb, "read") == 0 && argc == 3) read_file(argv[2]);
  else if (strcmp(verb, "create") == 0 && argc == 5) each(verb, argv[2], atoi(argv[3]), (size_t)atoi(argv[4]) % MEBIBYTE);
  else if ((strcmp(verb, "stat") == 0 || strcmp(verb, "unlink") == 0) && argc == 4) each(verb, argv[2], atoi(argv[3]), 0);
  else {
    fprintf(stderr, "bench-load: wrong usage, see its source\n");
    return 2;
  }
  printf("%.6f\n", now() - began);
  return 0;
}
