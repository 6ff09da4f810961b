/* mount(2) of an NFS volume, without mount.nfs: no helper, no name look-up, no rpcbind. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "launcher.h"

static unsigned long flag_of(const char *name) {
  static const struct {
    const char *name;
    unsigned long flag;
  } known[] = {{"ro", MS_RDONLY},         {"rw", 0},
               {"nosuid", MS_NOSUID},     {"nodev", MS_NODEV},
               {"noexec", MS_NOEXEC},     {"noatime", MS_NOATIME},
               {"relatime", MS_RELATIME}, {"nodiratime", MS_NODIRATIME},
               {"strictatime", MS_STRICTATIME}, {"sync", MS_SYNCHRONOUS},
               {"dirsync", MS_DIRSYNC}};
  for (size_t at = 0; at < sizeof known / sizeof *known; at++)
    if (strcmp(known[at].name, name) == 0) return known[at].flag;
  fail(EXIT_USAGE, 0, "no mount flag %s", name);
}

static int kernel_knows(const char *type) {
  char line[256], name[128];
  FILE *list = fopen("/proc/filesystems", "r");
  if (list == NULL) return 1;
  int found = 0;
  while (!found && fgets(line, sizeof line, list) != NULL)
    found = sscanf(line, "nodev %127s", name) == 1 && strcmp(name, type) == 0;
  fclose(list);
  return found;
}

void mount_volume(const struct options *options) {
  char list[512] = "";
  unsigned long flags = 0;
  if (options->flags != NULL) {
    if (strlen(options->flags) >= sizeof list) fail(EXIT_USAGE, 0, "too many mount flags");
    strcpy(list, options->flags);
  }
  for (char *name = strtok(list, ","); name != NULL; name = strtok(NULL, ",")) flags |= flag_of(name);
  /* The client's sockets, and all their reconnects, belong to the namespace of this call. */
  enter_namespace(options->pin);
  if (mount(options->source, options->target, options->type, flags, options->data) == 0) return;
  int error = errno;
  /* The kernel has tried to load the module by now. */
  if (error == ENODEV || (error == EINVAL && !kernel_knows(options->type)))
    fail(EXIT_FAILED, 0,
         "mount %s: this kernel has no file system type %s: it lacks the NFS version 4 client"
         " (module nfsv4, CONFIG_NFS_V4; try: modprobe nfsv4)",
         options->target, options->type);
  fail(EXIT_FAILED, error, "mount %s on %s with %s", options->source, options->target,
       options->data == NULL ? "no options" : options->data);
}
