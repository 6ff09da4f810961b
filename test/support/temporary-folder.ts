import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new folder that is removed with all that is in it. */
export function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "s3files-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}
