/* PID 1 of the mounter's container: the supervisor may crash, and the servers beside it go on. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "launcher.h"

enum { first_delay_ms = 100, longest_delay_ms = 5000, healthy_seconds = 30, last_words_ms = 5000 };

static int start(char **program, const sigset_t *before) {
  int child = fork();
  if (child < 0) fail(EXIT_FAILED, errno, "fork");
  if (child > 0) return child;
  sigprocmask(SIG_SETMASK, before, NULL);
  execvp(program[0], program);
  fail(127, errno, "execute %s", program[0]);
}

static long long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Reaps what has ended; whether `child` is among it, and how it ended. */
static int reap(int child, int *how) {
  int found = 0, status;
  for (int pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    if (pid == child) {
      *how = status;
      found = 1;
    }
  return found;
}

/* What the program left: in its pid namespace everything, elsewhere nothing of it is known. */
static void end_the_rest(const sigset_t *waited) {
  if (getpid() != 1) return;
  if (kill(-1, SIGTERM) < 0) return;
  for (long long until = now_ms() + last_words_ms, left; (left = until - now_ms()) > 0;) {
    int pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) continue;
    if (pid < 0 && errno == ECHILD) return;
    struct timespec limit = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    sigtimedwait(waited, NULL, &limit);
  }
}

int run_init(char **program) {
  sigset_t waited, before;
  sigemptyset(&waited);
  sigaddset(&waited, SIGCHLD);
  sigaddset(&waited, SIGTERM);
  sigaddset(&waited, SIGINT);
  sigprocmask(SIG_BLOCK, &waited, &before);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) fail(EXIT_FAILED, errno, "become a reaper");
  int child = start(program, &before), is_ending = 0, delay_ms = first_delay_ms, how = 0;
  long long started_ms = now_ms();
  for (;;) {
    int signal = sigwaitinfo(&waited, NULL);
    if (signal == SIGTERM || signal == SIGINT) {
      is_ending = 1;
      kill(child, signal);
    }
    if (!reap(child, &how)) continue;
    /* An end that was asked for, in order, or that would only repeat itself. */
    int code = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    if (is_ending || code == 0 || code == EXIT_USAGE || code == 127) {
      end_the_rest(&waited);
      return code;
    }
    if (now_ms() - started_ms >= healthy_seconds * 1000LL) delay_ms = first_delay_ms;
    fprintf(stderr,
            "{\"level\":\"error\",\"component\":\"init\",\"message\":\"%s ended with %d and is started again\","
            "\"delayMs\":%d}\n",
            program[0], code, delay_ms);
    for (long long until = now_ms() + delay_ms, left; (left = until - now_ms()) > 0 && !is_ending;) {
      struct timespec limit = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
      int come = sigtimedwait(&waited, NULL, &limit);
      is_ending = come == SIGTERM || come == SIGINT;
      reap(0, &how);
    }
    if (is_ending) {
      end_the_rest(&waited);
      return 0;
    }
    delay_ms = delay_ms * 2 > longest_delay_ms ? longest_delay_ms : delay_ms * 2;
    started_ms = now_ms();
    child = start(program, &before);
  }
}
