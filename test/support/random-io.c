/*
 * random-io <file> <seed> <operations>: random reads and writes of one file, each compared with a copy in memory:
 * read(2), write(2), appends, shared maps, truncation, holes, copies within the file, O_DIRECT and dropped pages.
 * Exit code 0 and the number of operations on stdout; 1 with the operation, the offset and both bytes on stderr.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIMIT = 1 << 20, LONGEST = 96 << 10, BLOCK = 4096 };

static const char *path;
static unsigned char model[LIMIT], buffer[LONGEST];
static unsigned char *direct;
static off_t size;
static int file;
static long step;
static const char *operation = "start";
static uint64_t state;

static void fail(const char *call) {
  fprintf(stderr, "operation %ld (%s): %s: %s\n", step, operation, call, strerror(errno));
  exit(1);
}

/* xorshift64*: the same operations for the same seed, on any machine. */
static uint32_t below(uint32_t bound) {
  state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
  return (uint32_t)((state * 0x2545F4914F6CDD1DULL) >> 32) % bound;
}

static void compare(const unsigned char *found, off_t offset, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (found[i] == model[offset + i]) continue;
    fprintf(stderr, "operation %ld (%s): byte %lld of %lld is 0x%02x and not 0x%02x\n", step, operation,
            (long long)(offset + i), (long long)size, found[i], model[offset + i]);
    exit(1);
  }
}

static void check_size(void) {
  struct stat status;
  if (fstat(file, &status) < 0) fail("fstat");
  if (status.st_size == size) return;
  fprintf(stderr, "operation %ld (%s): size %lld and not %lld\n", step, operation, (long long)status.st_size,
          (long long)size);
  exit(1);
}

static void grow(off_t end) {
  if (end > size) size = end; /* What is beyond the size is zero in the model. */
}

static void fill(size_t length) {
  for (size_t i = 0; i < length; i += 4) {
    uint32_t word = below(UINT32_MAX);
    memcpy(buffer + i, &word, length - i < 4 ? length - i : 4);
  }
}

static void do_read(off_t offset, size_t length) {
  size_t expected = offset >= size ? 0 : size - offset < (off_t)length ? (size_t)(size - offset) : length;
  ssize_t got = pread(file, buffer, length, offset);
  if (got != (ssize_t)expected) fail("pread");
  compare(buffer, offset, expected);
}

static void do_write(off_t offset, size_t length) {
  fill(length);
  if (pwrite(file, buffer, length, offset) != (ssize_t)length) fail("pwrite");
  memcpy(model + offset, buffer, length);
  grow(offset + (off_t)length);
}

static void do_append(size_t length) {
  if (size + (off_t)length > LIMIT) return;
  int appending = open(path, O_WRONLY | O_APPEND);
  if (appending < 0) fail("open");
  fill(length);
  if (write(appending, buffer, length) != (ssize_t)length) fail("write");
  if (close(appending) < 0) fail("close");
  memcpy(model + size, buffer, length);
  size += (off_t)length;
}

static void do_map(off_t offset, size_t length, int writing) {
  if (!writing && offset + (off_t)length > size) return;
  if (offset + (off_t)length > size) {
    if (ftruncate(file, offset + (off_t)length) < 0) fail("ftruncate");
    grow(offset + (off_t)length);
  }
  off_t from = offset - offset % BLOCK;
  size_t whole = length + (size_t)(offset - from);
  unsigned char *map = mmap(NULL, whole, writing ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, file, from);
  if (map == MAP_FAILED) fail("mmap");
  if (writing) {
    fill(length);
    memcpy(map + (offset - from), buffer, length);
    memcpy(model + offset, buffer, length);
    if (below(2) && msync(map, whole, MS_SYNC) < 0) fail("msync");
  } else {
    compare(map + (offset - from), offset, length);
  }
  if (munmap(map, whole) < 0) fail("munmap");
}

static void do_truncate(off_t to) {
  if (ftruncate(file, to) < 0) fail("ftruncate");
  if (to < size) memset(model + to, 0, (size_t)(size - to));
  size = to;
}

static void do_punch(off_t offset, size_t length) {
  if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, (off_t)length) < 0) {
    if (errno == EOPNOTSUPP) return; /* NFSv4.1 has no DEALLOCATE. */
    fail("fallocate");
  }
  memset(model + offset, 0, length);
}

static void do_copy(off_t from, off_t to, size_t length) {
  if (from + (off_t)length > size) return;
  if (from < to + (off_t)length && to < from + (off_t)length) return;
  for (size_t done = 0; done < length;) {
    off_t in = from + (off_t)done, out = to + (off_t)done;
    ssize_t got = copy_file_range(file, &in, file, &out, length - done, 0);
    if (got <= 0) fail("copy_file_range");
    done += (size_t)got;
  }
  memcpy(model + to, model + from, length);
  grow(to + (off_t)length);
}

static void do_direct(void) {
  int raw = open(path, O_RDONLY | O_DIRECT);
  if (raw < 0) fail("open O_DIRECT");
  off_t done = 0;
  for (ssize_t got; (got = pread(raw, direct, LONGEST, done)) != 0; done += got) {
    if (got < 0) fail("pread O_DIRECT");
    compare(direct, done, (size_t)got);
  }
  if (done != size) fail("pread O_DIRECT to the end");
  close(raw);
}

static void do_sync(int how) {
  if (how == 0 && fsync(file) < 0) fail("fsync");
  if (how == 1 && fdatasync(file) < 0) fail("fdatasync");
  if (how == 2) {
    if (fsync(file) < 0) fail("fsync");
    if (posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0) fail("posix_fadvise");
  }
  if (how == 3) {
    if (close(file) < 0) fail("close");
    file = open(path, O_RDWR);
    if (file < 0) fail("open");
  }
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: random-io <file> <seed> <operations>\n");
    return 2;
  }
  path = argv[1];
  state = strtoull(argv[2], NULL, 10) * 2654435761u + 1;
  const long operations = strtol(argv[3], NULL, 10);
  if (posix_memalign((void **)&direct, BLOCK, LONGEST) != 0) fail("posix_memalign");
  file = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
  if (file < 0) fail("open");
  for (step = 1; step <= operations; step++) {
    const size_t length = 1 + below(below(3) ? 8192 : LONGEST);
    const off_t offset = below((uint32_t)(LIMIT - length));
    const uint32_t kind = below(100);
    if (kind < 22) operation = "read", do_read(offset, length);
    else if (kind < 44) operation = "write", do_write(offset, length);
    else if (kind < 52) operation = "append", do_append(length);
    else if (kind < 62) operation = "map and read", do_map(offset, length, 0);
    else if (kind < 74) operation = "map and write", do_map(offset, length, 1);
    else if (kind < 82) operation = "truncate", do_truncate(below(4) ? offset : below(8192));
    else if (kind < 88) operation = "punch", do_punch(offset, length);
    else if (kind < 92) operation = "copy", do_copy(offset, below((uint32_t)(LIMIT - length)), length);
    else if (kind < 99) operation = "sync", do_sync((int)below(4));
    else operation = "read direct", do_direct();
    check_size();
  }
  operation = "end";
  do_sync(0);
  do_direct();
  printf("%ld\n", operations);
  return 0;
}
