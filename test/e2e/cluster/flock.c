/* flock -x|-s [-n] <file> <program> <argument>...: runs the program while it holds the lock, as flock(1) does. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int how = LOCK_EX, at = 1;
  for (; at < argc && argv[at][0] == '-'; at++) {
    if (strcmp(argv[at], "-s") == 0) how = (how & ~LOCK_EX) | LOCK_SH;
    if (strcmp(argv[at], "-n") == 0) how |= LOCK_NB;
  }
  if (argc - at < 2) {
    fprintf(stderr, "flock -x|-s [-n] <file> <program>\n");
    return 64;
  }
  /* NFS locks exclusively only what is open for writing. */
  int file = open(argv[at], O_RDWR);
  if (file < 0 || flock(file, how) < 0) {
    perror(argv[at]);
    return 1;
  }
  execvp(argv[at + 1], argv + at + 1);
  perror(argv[at + 1]);
  return 127;
}
