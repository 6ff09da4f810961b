/** Test files that run against any mounted directory, in guests; `MOUNT` in their environment names it. */
export const fileSuites = [
  "files.guest.ts",
  "sparse.guest.ts",
  "directories.guest.ts",
  "links.guest.ts",
  "attributes.guest.ts",
  "locks.guest.ts",
  "programs.guest.ts",
  "random-io.guest.ts",
] as const;
