import type { FileSystemOptions } from "../../src/filesystem/options.ts";
import { VolumeCase } from "../support/volume-case.ts";
import { fileSystemContract } from "./file-system.ts";

const variants: Readonly<Record<string, Partial<FileSystemOptions>>> = {
  "on disk, cache mode full": {},
  "on disk, cache mode metadata-only, reading in the background": {
    cacheMode: "metadata-only",
    maxBlockingReadBytes: 0,
  },
};

for (const [title, options] of Object.entries(variants)) {
  fileSystemContract(title, () => Promise.resolve(new VolumeCase(options)), { limits: true });
}
