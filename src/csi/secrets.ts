import type { CredentialsFile } from "../control/volume-spec.ts";
import { CsiError } from "./error.ts";

const names = {
  accessKeyId: ["accessKeyId", "AWS_ACCESS_KEY_ID"],
  secretAccessKey: ["secretAccessKey", "AWS_SECRET_ACCESS_KEY"],
  sessionToken: ["sessionToken", "AWS_SESSION_TOKEN"],
} as const;

function pick(
  secrets: Readonly<Record<string, string>>,
  keys: readonly string[],
): string | undefined {
  // Files and editors add line feeds to a Secret's values; no key has one.
  return keys
    .map((key) => secrets[key]?.trim())
    .find((value) => value !== undefined && value !== "");
}

/**
 * The credentials a call must use: those of its Secret for `authenticationSource: secret`, none (the
 * driver's own) for `driver`. There is no fallback from one to the other.
 * @throws {CsiError} INVALID_ARGUMENT when the Secret is missing, incomplete, or given although the source
 * is the driver. Messages name keys, never values.
 */
export function credentialsFor(
  source: "driver" | "secret",
  secrets: Readonly<Record<string, string>>,
): CredentialsFile | undefined {
  const accessKeyId = pick(secrets, names.accessKeyId);
  const secretAccessKey = pick(secrets, names.secretAccessKey);
  const sessionToken = pick(secrets, names.sessionToken);
  if (source === "driver") {
    if (accessKeyId === undefined && secretAccessKey === undefined) return undefined;
    throw new CsiError(
      "INVALID_ARGUMENT",
      "The call carries a Secret with access keys, but authenticationSource is 'driver'; set it to 'secret'",
    );
  }
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new CsiError(
      "INVALID_ARGUMENT",
      "authenticationSource is 'secret', but the call's Secret lacks accessKeyId or secretAccessKey",
    );
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}
