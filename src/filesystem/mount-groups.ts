import type { InodeRow } from "../cache/inodes.ts";
import type { Caller } from "../vfs/call.ts";
import type { FileSystemOptions } from "./options.ts";

type Owned = Pick<InodeRow, "type" | "mode" | "uid" | "gid">;

/**
 * The groups that pods ask for with `fsGroup`, without any change of what is stored: members of each count as members
 * of every object's group, and the first is shown as that group. An object with the volume's own owner and mode, as
 * everything has that other clients wrote, grants the group what it grants its owner: a recursive chown and chmod would
 * do the same.
 */
export class MountGroups {
  readonly #options: Pick<FileSystemOptions, "uid" | "gid" | "fileMode" | "dirMode">;
  #gids: readonly number[] = [];

  constructor(options: Pick<FileSystemOptions, "uid" | "gid" | "fileMode" | "dirMode">) {
    this.#options = options;
  }

  /** Replaces them, in the order in which they are shown. */
  set(gids: readonly number[]): void {
    this.#gids = [...gids];
  }

  /** Whether the caller is in one of them. */
  has(caller: Caller): boolean {
    if (this.#gids.length === 0) return false;
    return this.#gids.some((gid) => caller.gid === gid || caller.groups.includes(gid));
  }

  /** The group to show. */
  gidOf(row: Owned): number {
    return this.#gids[0] ?? row.gid;
  }

  /** The mode to show and to judge by. */
  modeOf(row: Owned): number {
    return this.#gids.length > 0 && this.#isUntouched(row)
      ? row.mode | ((row.mode & 0o700) >> 3)
      : row.mode;
  }

  #isUntouched({ type, mode, uid, gid }: Owned): boolean {
    const { fileMode, dirMode } = this.#options;
    if (uid !== this.#options.uid || gid !== this.#options.gid) return false;
    return (mode & 0o777) === ((type === "directory" ? dirMode : fileMode) & 0o777);
  }
}
