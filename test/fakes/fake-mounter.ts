import { MountError, type Mounter } from "../../src/csi/mounter.ts";
import { type MountEntry, mountAt } from "../../src/csi/mountinfo.ts";

/** A mount table and directories in memory; `fail` makes the next call of a method throw, `log` counts calls. */
export class FakeMounter implements Mounter {
  readonly table: MountEntry[] = [];
  readonly directories = new Map<string, { mode: number; files: number }>();
  readonly calls: string[] = [];
  readonly fail = new Map<keyof Mounter, Error>();
  #devices = 40;

  #called(name: keyof Mounter, detail: string): void {
    this.calls.push(`${name} ${detail}`);
    const error = this.fail.get(name);
    if (error === undefined) return;
    this.fail.delete(name);
    throw error;
  }

  async mounts(): Promise<readonly MountEntry[]> {
    return await Promise.resolve([...this.table]);
  }

  async canonicalPath(path: string): Promise<string> {
    return await Promise.resolve(path);
  }

  async makeDirectory(path: string, mode: number): Promise<void> {
    this.#called("makeDirectory", path);
    if (!this.directories.has(path)) this.directories.set(path, { mode, files: 0 });
    await Promise.resolve();
  }

  async removeDirectory(path: string): Promise<void> {
    this.#called("removeDirectory", path);
    if (mountAt(this.table, path) !== undefined) throw new MountError(`${path} is busy`);
    if ((this.directories.get(path)?.files ?? 0) > 0) throw new MountError(`${path} is not empty`);
    this.directories.delete(path);
    await Promise.resolve();
  }

  async mountVolume(mount: Parameters<Mounter["mountVolume"]>[0]): Promise<void> {
    this.#called("mountVolume", mount.target);
    this.table.push({
      mountPoint: mount.target,
      root: "/",
      device: `0:${this.#devices++}`,
      fsType: "nfs4",
      source: "127.0.0.1:/",
      options: [mount.readOnly ? "ro" : "rw", ...mount.vfsFlags],
      superOptions: ["vers=4.2", ...mount.nfsOptions],
    });
    await Promise.resolve();
  }

  async bind(mount: Parameters<Mounter["bind"]>[0]): Promise<void> {
    this.#called("bind", mount.target);
    const source = mountAt(this.table, mount.source);
    if (source === undefined) throw new MountError(`${mount.source} is no mount`);
    if (!this.directories.has(mount.target)) throw new MountError(`${mount.target} is missing`);
    const at = this.table.findLastIndex((entry) => entry.mountPoint === mount.target);
    const options = [mount.readOnly ? "ro" : "rw", ...mount.vfsFlags];
    const entry = { ...source, mountPoint: mount.target, options };
    if (at < 0) this.table.push(entry);
    else this.table[at] = entry;
    await Promise.resolve();
  }

  async writeBack(target: string): Promise<void> {
    this.#called("writeBack", target);
    if (mountAt(this.table, target) === undefined) throw new MountError(`${target} is no mount`);
    await Promise.resolve();
  }

  async unmount(target: string): Promise<void> {
    this.#called("unmount", target);
    const at = this.table.findLastIndex((entry) => entry.mountPoint === target);
    if (at < 0) throw new MountError(`${target} is not mounted`);
    this.table.splice(at, 1);
    await Promise.resolve();
  }
}
