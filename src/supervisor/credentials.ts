import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { CredentialsFile } from "../control/volume-spec.ts";

function stored(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Makes the file (0600, on tmpfs) hold exactly these credentials, or be absent for the driver's own. Whether
 * that changed anything: a running server is then started anew, so that its next answer is about these.
 */
export function keepCredentials(path: string, credentials: CredentialsFile | null): boolean {
  const before = stored(path);
  if (credentials === null) {
    rmSync(path, { force: true });
    return before !== undefined;
  }
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const content = `${JSON.stringify({ accessKeyId, secretAccessKey, sessionToken })}\n`;
  if (before === content) return false;
  writeFileSync(`${path}.new`, content, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return true;
}
