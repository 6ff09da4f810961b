import { systemClock } from "../base/clock.ts";
import { BucketControl } from "../s3/bucket-control.ts";
import type { Command } from "./arguments.ts";
import { readCertificates } from "./certificates.ts";
import { type DoctorCheck, diagnose } from "./doctor-checks.ts";
import { processLog } from "./log.ts";
import { openStore, placeOptions, volumePlace } from "./volume-place.ts";

/** `s3files doctor`: whether a volume's bucket can be used, what its store can do, and what to mend; status 1 when something failed. */
export const doctorCommand: Command = {
  usage: "VOLUME | --bucket BUCKET [--prefix PREFIX]  [--json] [options]",
  positionals: { least: 0, most: 1 },
  options: {
    ...placeOptions,
    json: { help: "one JSON document: {what, bucket, prefix, endpoint, checks: […], abilities}" },
    "read-only": { help: "write no canary objects" },
    "max-keys": { value: "N", help: "keys to look at for unmappable ones; default: 100000" },
  },
  notes: `
Writes small objects below .s3files/probe/ under the volume's prefix and removes them again: what a store honours is judged by the
outcome, never by a status code.
`,
  async run(args, config, signal) {
    const maxKeys = args.integer("max-keys", { least: 1, most: Number.MAX_SAFE_INTEGER });
    const place = volumePlace(args, config);
    const { bucket, prefix, connection, credentials, what } = place;
    const { endpoint, region, forcePathStyle, caBundle } = connection;
    const store = openStore(place, processLog(config, "doctor"));
    const control = new BucketControl(
      {
        ...{ region, forcePathStyle, maxAttempts: 2 },
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(caBundle === undefined ? {} : { caBundle: readCertificates(caBundle) }),
      },
      { credentials },
    );
    try {
      const diagnosis = await diagnose(
        {
          ...{ bucket, prefix, credentials, store, control, clock: systemClock },
          ...{ readOnly: args.flag("read-only"), maxKeys: maxKeys ?? 100_000 },
        },
        signal,
      );
      const where = { what, bucket, prefix, endpoint: endpoint ?? `AWS S3 in ${region}` };
      process.stdout.write(
        args.flag("json")
          ? `${JSON.stringify({ ...where, ...diagnosis }, null, 2)}\n`
          : `${what}: s3://${bucket}/${prefix} at ${where.endpoint}\n${checksText(diagnosis.checks)}`,
      );
      return diagnosis.checks.some(({ status }) => status === "failed") ? 1 : 0;
    } finally {
      control.close();
      await store.close();
    }
  },
};

/** A table for people: what is wrong stands out, and what to do is below it. */
export function checksText(checks: readonly DoctorCheck[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, status, detail, fix }) => [
    `${status.toUpperCase().padEnd(7)}  ${name.padEnd(width)}  ${detail}`,
    ...(fix === undefined ? [] : [`${" ".repeat(9 + width)}  → ${fix}`]),
  ]);
  const count = (wanted: DoctorCheck["status"]): number =>
    checks.filter(({ status }) => status === wanted).length;
  const sum = `${count("ok")} ok, ${count("warning")} warnings, ${count("failed")} failed`;
  return [...lines, sum, ""].join("\n");
}
