/* s3files-launcher: what Node cannot do itself. See README.md. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher.h"

static const char usage[] =
    "usage: s3files-launcher COMMAND\n"
    "  make-namespace --pin PIN      make a network namespace with lo up, pinned at PIN\n"
    "  remove-namespace --pin PIN\n"
    "  mount --pin PIN --target DIR --source S --type nfs4 --flags F,F --options O,O\n"
    "  hold --pin PIN --socket PATH --lock FILE --output FIFO [--from PATH] [--server LOCK]\n"
    "                                leave a holder of 127.0.0.1:2049 in PIN's namespace behind\n"
    "  keep --pin PIN --socket PATH --lock FILE --from PATH\n"
    "                                leave a second holder of the socket at --from behind\n"
    "  release --socket PATH --lock FILE --grace MS\n"
    "                                end a holder, of whatever pid namespace\n"
    "  serve --socket PATH --lock FILE [--output FIFO] [--wait MS | --late] [--cgroup DIR]\n"
    "        [--allow-no-io-flusher] -- PROGRAM ARG...\n"
    "                                execute PROGRAM with the holder's socket at descriptor 3, the lock at 4\n"
    "  init -- PROGRAM ARG...        as PID 1: run PROGRAM, start it again when it dies, reap\n"
    "  lock [--wait MS] [--owner PID]\n"
    "                                lock the file at standard input, for the process that opened it\n"
    "  end --lock FILE --grace MS    end the process that holds the lock\n";

void fail(int code, int error, const char *format, ...) {
  va_list values;
  va_start(values, format);
  fputs("s3files-launcher: ", stderr);
  vfprintf(stderr, format, values);
  if (error != 0) fprintf(stderr, ": %s", strerror(error));
  fputc('\n', stderr);
  va_end(values);
  exit(code);
}

static long whole(const char *name, const char *text, long most) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno != 0 || *text == 0 || *end != 0 || value < 0 || value > most)
    fail(EXIT_USAGE, 0, "%s: %s is not a number up to %ld", name, text, most);
  return value;
}

/* At most an hour. */
static long milliseconds(const char *name, const char *text) { return whole(name, text, 3600000); }

static void need(const char *name, const char *value) {
  if (value == NULL) fail(EXIT_USAGE, 0, "%s is missing\n%s", name, usage);
}

int main(int argc, char **argv) {
  static const struct option known[] = {
      {"pin", 1, 0, 'p'},    {"target", 1, 0, 't'}, {"source", 1, 0, 's'}, {"type", 1, 0, 'y'},
      {"flags", 1, 0, 'f'},  {"options", 1, 0, 'o'}, {"socket", 1, 0, 'k'}, {"lock", 1, 0, 'l'},
      {"output", 1, 0, 'u'}, {"wait", 1, 0, 'w'},    {"grace", 1, 0, 'g'},   {"from", 1, 0, 'r'},
      {"cgroup", 1, 0, 'c'},  {"server", 1, 0, 'v'}, {"allow-no-io-flusher", 0, 0, 'a'},
      {"late", 0, 0, 'e'},    {"owner", 1, 0, 'n'},
      {0, 0, 0, 0}};
  struct options options = {0};
  if (argc < 2 || strcmp(argv[1], "--help") == 0) {
    fputs(usage, argc < 2 ? stderr : stdout);
    return argc < 2 ? EXIT_USAGE : 0;
  }
  const char *command = argv[1];
  /* A holder lives long: it must not keep a pipe of whoever started it open. */
  if (close_range(3, ~0U, 0) < 0 && errno != ENOSYS) fail(EXIT_FAILED, errno, "close_range");
  optind = 2;
  for (int option; (option = getopt_long(argc, argv, "+", known, NULL)) != -1;) switch (option) {
      case 'p': options.pin = optarg; break;
      case 't': options.target = optarg; break;
      case 's': options.source = optarg; break;
      case 'y': options.type = optarg; break;
      case 'f': options.flags = optarg; break;
      case 'o': options.data = optarg; break;
      case 'k': options.socket = optarg; break;
      case 'l': options.lock = optarg; break;
      case 'u': options.output = optarg; break;
      case 'w': options.wait_ms = milliseconds("--wait", optarg); break;
      case 'g': options.grace_ms = milliseconds("--grace", optarg); break;
      case 'r': options.from = optarg; break;
      case 'v': options.server = optarg; break;
      case 'c': options.cgroup = optarg; break;
      case 'e': options.is_late = 1; break;
      case 'n': options.owner = (int)whole("--owner", optarg, INT_MAX); break;
      case 'a': options.allow_no_io_flusher = 1; break;
      default: fputs(usage, stderr); return EXIT_USAGE;
    }
  options.program = argv + optind;

  if (strcmp(command, "make-namespace") == 0) {
    need("--pin", options.pin);
    make_namespace(options.pin);
  } else if (strcmp(command, "remove-namespace") == 0) {
    need("--pin", options.pin);
    remove_namespace(options.pin);
  } else if (strcmp(command, "mount") == 0) {
    need("--pin", options.pin);
    need("--target", options.target);
    need("--source", options.source);
    need("--type", options.type);
    mount_volume(&options);
  } else if (strcmp(command, "hold") == 0) {
    need("--pin", options.pin);
    need("--socket", options.socket);
    need("--lock", options.lock);
    need("--output", options.output);
    hold(&options);
  } else if (strcmp(command, "keep") == 0) {
    need("--pin", options.pin);
    need("--socket", options.socket);
    need("--lock", options.lock);
    need("--from", options.from);
    keep(&options);
  } else if (strcmp(command, "release") == 0) {
    need("--socket", options.socket);
    need("--lock", options.lock);
    release_holder(options.socket, options.lock, options.grace_ms);
  } else if (strcmp(command, "init") == 0) {
    need("PROGRAM", options.program[0]);
    return run_init(options.program);
  } else if (strcmp(command, "serve") == 0) {
    need("--socket", options.socket);
    need("--lock", options.lock);
    need("PROGRAM", options.program[0]);
    serve(&options);
  } else if (strcmp(command, "lock") == 0) {
    lock_standard_input(options.wait_ms, options.owner);
  } else if (strcmp(command, "end") == 0) {
    need("--lock", options.lock);
    end_lock_owner(options.lock, options.grace_ms);
  } else {
    fail(EXIT_USAGE, 0, "no command %s\n%s", command, usage);
  }
  return 0;
}
