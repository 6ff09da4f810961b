import type { Attributes, InodeNumber } from "../../vfs/attributes.ts";
import type { Space } from "../../vfs/file-system.ts";
import type { AttributeSource } from "../attributes.ts";
import type { OperationContext } from "../operation.ts";

/** The source of an inode's attributes for one operation: each part is asked for at most once. */
export function attributeSource(
  context: OperationContext,
  inode: InodeNumber,
  known?: Attributes,
): AttributeSource {
  let attributes = known;
  let space: Space | undefined;
  const { fileSystem, call } = context;
  return {
    inode,
    minorVersion: context.minorVersion,
    fsid: context.identity.fsid,
    attributes: () => {
      attributes ??= fileSystem.getAttributes(call, inode);
      return attributes;
    },
    space: () => {
      space ??= fileSystem.space();
      return space;
    },
    filehandle: () => context.filehandles.of(inode),
  };
}
