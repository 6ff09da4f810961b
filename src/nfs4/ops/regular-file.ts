import type { Attributes, InodeNumber } from "../../vfs/attributes.ts";
import { FsError } from "../../vfs/error.ts";
import type { OperationContext } from "../operation.ts";

/** The attributes of a regular file. May suspend. @throws {FsError} ISDIR, SYMLINK, WRONG_TYPE for what is none. */
export function regularFile(context: OperationContext, inode: InodeNumber): Attributes {
  const attributes = context.fileSystem.getAttributes(context.call, inode);
  switch (attributes.type) {
    case "file":
      return attributes;
    case "directory":
      throw new FsError("ISDIR", `Inode ${inode} is a directory`);
    case "symlink":
      throw new FsError("SYMLINK", `Inode ${inode} is a symbolic link`);
    case "fifo":
    case "socket":
    case "blockDevice":
    case "characterDevice":
      throw new FsError("WRONG_TYPE", `Inode ${inode} is a ${attributes.type}`);
  }
}
