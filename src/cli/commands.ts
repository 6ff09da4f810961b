import type { Command } from "./arguments.ts";

/** A row of the table of commands; its code is loaded when it runs, so that a server holds no other command's packages. */
export interface CommandRow {
  readonly summary: string;
  load(): Promise<Command>;
}

/** Every sub-command of `s3files`, in the order of the help text. */
export const commands: Readonly<Record<string, CommandRow>> = {
  controller: {
    summary: "CSI controller: makes and deletes buckets and prefixes",
    load: async () => (await import("./controller.ts")).controllerCommand,
  },
  node: {
    summary: "CSI node service: stages and publishes volumes",
    load: async () => (await import("./node.ts")).nodeCommand,
  },
  supervisor: {
    summary: "keeps this node's volume servers running",
    load: async () => (await import("./supervisor.ts")).supervisorCommand,
  },
  serve: {
    summary: "one volume's NFS server; started by the supervisor",
    load: async () => (await import("./serve.ts")).serveCommand,
  },
  status: {
    summary: "the volumes of this node and what S3 does not have yet",
    load: async () => (await import("./status.ts")).statusCommand,
  },
  flush: {
    summary: "exports what a volume has pending",
    load: async () => (await import("./flush.ts")).flushCommand,
  },
  conflicts: {
    summary: "local versions of files that S3 has won over",
    load: async () => (await import("./conflicts.ts")).conflictsCommand,
  },
  unmappable: {
    summary: "keys of a volume that cannot be paths",
    load: async () => (await import("./unmappable.ts")).unmappableCommand,
  },
  doctor: {
    summary: "whether a volume's bucket can be used, and what its store can do",
    load: async () => (await import("./doctor.ts")).doctorCommand,
  },
  release: {
    summary: "takes a volume from a node that will not come back",
    load: async () => (await import("./release.ts")).releaseCommand,
  },
  "dev-s3": {
    summary: "an S3 server for development, with AWS's semantics",
    load: async () => (await import("./dev-s3.ts")).devS3Command,
  },
};
