/* The parts of s3files-launcher. Every function here ends the process with a message when it fails. */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#include <stdnoreturn.h>

/* What was given on the command line; absent options are NULL or 0. */
struct options {
  const char *pin, *target, *source, *type, *flags, *data; /* mount */
  const char *socket, *lock, *output, *from, *cgroup, *server;
  long wait_ms, grace_ms;
  int allow_no_io_flusher, is_late, owner;
  char **program; /* what follows "--", ended by NULL */
};

/* Exit codes: the caller tells "somebody else has it" from failures. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_BUSY = 75, EXIT_ELSEWHERE = 76 };

/* Prints "s3files-launcher: <message>: <errno>" (errno left out when 0) and exits. */
noreturn void fail(int code, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The namespace of a pin: made with `lo` up (again, when the pin is not one), removed, entered. */
void make_namespace(const char *pin);
void remove_namespace(const char *pin);
void enter_namespace(const char *pin);
/* Whether the socket was made in the namespace of the pin. */
int is_socket_of(const char *pin, int socket);

/* mount(2) inside the pin's network namespace, in the caller's mount namespace. */
void mount_volume(const struct options *options);

/* Takes the lock for as long as this process, or what it executes, lives; the file then holds its pid.
   The descriptor survives exec. Returns -1 when it is still taken after wait_ms. */
int take_lock(const char *path, long wait_ms);
/* Locks the file at descriptor 0 for its other owners: the lock goes when the last of them has closed it. The file
   then names the process `owner`, unless that is 0. */
void lock_standard_input(long wait_ms, int owner);
void write_pid(int lock, int pid);
/* Ends whoever holds the lock: SIGTERM, after grace_ms SIGKILL. Returns when it is gone. */
void end_lock_owner(const char *path, long grace_ms);
/* The listening socket at a descriptor of whoever holds the lock in this pid namespace, duplicated; -1 when there is none to have. */
int listener_of_owner(const char *path, int number);
/* Whether a process of another pid namespace has the lock. */
int is_locked_elsewhere(const char *path);

/* Leaves a process behind that owns the listening socket of a pin and hands it out at a unix socket: the socket of
   the holder at `from` if one answers there, or of the server that has locked `server`, else a new one. */
void hold(const struct options *options);
/* The same with the socket of `from` only, made by nobody else. */
void keep(const struct options *options);
/* Ends a holder or keeper of any pid namespace. */
void release_holder(const char *path, const char *lock, long grace_ms);
/* The listening socket, from its holder; -1 when none answers. */
int receive_listener(const char *path);

/* Opens the log pipe, made if missing, as stdout and stderr: never a broken pipe, never blocking. NULL: nothing. */
void redirect_output(const char *path);
/* Drops all capabilities for good, but for `keep` (a CAP_ number, or -1). */
void drop_capabilities(int keep);
/* Becomes the volume server: lock (only opened, at descriptor 4, when it is late), listening socket at descriptor 3,
   IO_FLUSHER, exec. */
noreturn void serve(const struct options *options);
/* Runs the program and starts it again when it dies, reaping whatever comes to this process. */
int run_init(char **program);

#endif
