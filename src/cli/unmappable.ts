import { ObjectStoreError } from "../s3/object-store.ts";
import { type KeyScan, scanKeys } from "../sync/unmappable-keys.ts";
import { type Command, CommandError } from "./arguments.ts";
import { processLog } from "./log.ts";
import { openStore, placeOptions, volumePlace } from "./volume-place.ts";

/** `s3files unmappable`: the keys of a volume that do not show in its mounts; status 1 when there are any. */
export const unmappableCommand: Command = {
  usage: "VOLUME | --bucket BUCKET [--prefix PREFIX]  [--json] [options]",
  positionals: { least: 0, most: 1 },
  options: {
    ...placeOptions,
    json: { help: "one JSON document: {scanned, isWhole, malformed, unmappable, first: […]}" },
    "max-keys": { value: "N", help: "keys to look at; default: all" },
  },
  notes: `
Asks the bucket for all its keys, a page of 1,000 at a time. The keys that it lists do not show in the mount, and nothing there
changes or deletes their objects.
`,
  async run(args, config, signal) {
    const most = Number.MAX_SAFE_INTEGER;
    const maxKeys = args.integer("max-keys", { least: 1, most }) ?? most;
    const place = volumePlace(args, config);
    const store = openStore(place, processLog(config, "unmappable"));
    try {
      const { prefix, what } = place;
      const scan = await scanKeys(store, { prefix, maxKeys, maxShown: 10_000 }, { signal });
      process.stdout.write(
        args.flag("json") ? `${JSON.stringify(scan, null, 2)}\n` : scanText(what, scan),
      );
      return scan.unmappable + scan.malformed === 0 ? 0 : 1;
    } catch (cause) {
      if (cause instanceof ObjectStoreError) throw new CommandError(cause.message, { cause });
      throw cause;
    } finally {
      await store.close();
    }
  },
};

/** What the command prints for people. */
export function scanText(what: string, scan: KeyScan): string {
  const { scanned, isWhole, malformed, unmappable, first } = scan;
  const of = `${scanned} keys${isWhole ? "" : " looked at, of more"}`;
  const lines = first.map(({ key, reason }) => `  ${JSON.stringify(key)}: ${reason}`);
  if (first.length < unmappable) lines.push(`  and ${unmappable - first.length} more`);
  if (malformed > 0) lines.push(`  and ${malformed} that are no UTF-8`);
  return `${what}: ${unmappable + malformed} of ${of} do not show\n${lines.map((line) => `${line}\n`).join("")}`;
}
