import type { VolumeSpec } from "../../src/control/volume-spec.ts";

/** A volume's specification with the documented defaults, and what a test wants otherwise. */
export function volumeSpec(own: Partial<VolumeSpec> = {}): VolumeSpec {
  return {
    volumeId: "pvc-1/data",
    bucket: "data",
    prefix: "",
    region: "us-east-1",
    forcePathStyle: true,
    cacheMode: "full",
    cacheSizeBytes: 10 * 2 ** 30,
    writeBackDelayMs: 60_000,
    writeBackMaxDelayMs: 900_000,
    revalidateAfterMs: 5_000,
    importSizeLessThanBytes: 128 * 1024,
    uid: 0,
    gid: 0,
    fileMode: 0o644,
    dirMode: 0o755,
    memoryLimitBytes: 256 * 2 ** 20,
    trustObjectModes: false,
    capacityBytes: 0,
    readOnly: false,
    ...own,
  };
}
