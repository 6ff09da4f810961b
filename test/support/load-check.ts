import { baseVersion, hole, lineAt, lineBytes } from "./load-content.ts";
import type { LoadFile, Names } from "./load-model.ts";
import { type LoadOptions, LoadScript } from "./load-script.ts";

/** What a record file says of one load. */
export interface LoadRecord {
  /** Calls that returned. */
  readonly returned: number;
  /** Whether it ended in order, with nothing under way. */
  readonly ended: boolean;
  /** Calls that failed. */
  readonly errors: readonly string[];
}

/** Reads the lines that fs-load.ts wrote for the load `name`; a last line without its end counts as not there. */
export function recordOf(name: string, text: string): LoadRecord {
  let returned = 0;
  let ended = false;
  const errors: string[] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    const clean = line.replace(/\r$/, "");
    if (!clean.startsWith(`${name} `)) continue;
    const rest = clean.slice(name.length + 1);
    if (rest === "end") ended = true;
    else if (rest.startsWith("error")) errors.push(rest);
    else returned = Number(rest);
  }
  return { returned, ended, errors };
}

/** The script of a load up to what its record says, with what may have happened to the call under way. */
export function replay(options: LoadOptions, record: Omit<LoadRecord, "errors">): LoadScript {
  const script = new LoadScript(options);
  for (let i = 0; i < record.returned; i++) script.next();
  if (!record.ended) script.next(false);
  return script;
}

/** A directory as it was found: paths below it; contents only when asked for. */
export interface FoundTree {
  readonly folders: ReadonlySet<string>;
  readonly files: ReadonlyMap<string, () => Buffer>;
}

/** What differs from what must be there: empty when all is right. At most a few statements a file. */
export function checkTree(script: LoadScript, found: FoundTree): string[] {
  const { history } = script.model;
  const contents = new Map([...found.files].map(([path, read]) => [path, read()]));
  const names = history.findLast((moment) => isMoment(moment, found, contents));
  if (names === undefined) {
    const last = history.at(-1);
    return [
      `Names are of no moment since call ${history[0]?.after}: found ${[...found.files.keys(), ...found.folders].sort().join(" ")}`,
      `wanted ${[...(last?.files.keys() ?? []), ...(last?.folders ?? [])].sort().join(" ")}`,
    ];
  }
  return [...names.files].flatMap(([path, file]) =>
    checkFile(path, file, contents.get(path) ?? Buffer.alloc(0)),
  );
}

function isMoment(names: Names, found: FoundTree, contents: ReadonlyMap<string, Buffer>): boolean {
  if (!sameMembers(names.folders, found.folders)) return false;
  if (!sameMembers(new Set(names.files.keys()), new Set(found.files.keys()))) return false;
  return [...names.files].every(([path, file]) => {
    const id = ownerOf(contents.get(path) ?? Buffer.alloc(0));
    return id === undefined || id === file.id;
  });
}

function sameMembers(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((member) => b.has(member));
}

/** The file that the first written line of `bytes` names. */
function ownerOf(bytes: Buffer): string | undefined {
  for (let i = 0; i < Math.floor(bytes.length / lineBytes); i++) {
    const line = lineAt(bytes, i);
    if (line !== hole) return line?.file;
  }
  return undefined;
}

function checkFile(path: string, file: LoadFile, bytes: Buffer): string[] {
  const problems: string[] = [];
  const size = bytes.length / lineBytes;
  if (!Number.isInteger(size) || size < file.smallest || size > file.largest) {
    problems.push(
      `${path} (${file.id}) has ${bytes.length} bytes, not ${file.smallest * lineBytes} to ${file.largest * lineBytes}`,
    );
  }
  for (let i = 0; i < Math.floor(size) && problems.length < 4; i++) {
    const line = lineAt(bytes, i);
    const version = line === hole ? hole : line?.file === file.id ? line.version : undefined;
    if (version !== undefined && file.allows(i, version)) continue;
    const wanted = [file.settled[i] ?? hole, ...(file.later.get(i) ?? [])].join(" or ");
    problems.push(
      `${path} (${file.id}) at ${i * lineBytes} is ${describeLine(bytes, i)}, not version ${wanted}`,
    );
  }
  return problems;
}

function describeLine(bytes: Buffer, index: number): string {
  const line = lineAt(bytes, index);
  if (line === hole) return "a hole";
  if (line !== undefined) return `version ${line.version} of ${line.file}`;
  return JSON.stringify(bytes.toString("latin1", index * lineBytes, (index + 1) * lineBytes));
}

/** What in an object no call of the load ever wrote there; a hole is nothing written. Empty when all is right. */
export function checkWritten(script: LoadScript, path: string, bytes: Buffer): string[] {
  const owner = ownerOf(bytes);
  for (let i = 0; i < Math.floor(bytes.length / lineBytes); i++) {
    const line = lineAt(bytes, i);
    if (line === hole) continue;
    const write = line === undefined ? undefined : script.model.writes.get(line.version);
    const isWritten =
      line !== undefined &&
      line.file === owner &&
      (line.version === baseVersion ||
        (write?.file === line.file && i >= write.first && i < write.first + write.count));
    if (!isWritten) {
      return [
        `${path} at ${i * lineBytes} holds what was never written: ${describeLine(bytes, i)}`,
      ];
    }
  }
  return bytes.length % lineBytes === 0 ? [] : [`${path} ends within a line, at ${bytes.length}`];
}
