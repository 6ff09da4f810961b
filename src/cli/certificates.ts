import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/** A `caBundle` that cannot be used. The message names the file and says why. */
export class CertificatesError extends Error {
  constructor(message: string, options: { readonly cause: unknown }) {
    super(message, options);
    this.name = "CertificatesError";
  }
}

/** The PEM text of a certificate bundle, whose first certificate has been read. @throws {CertificatesError} */
export function readCertificates(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CertificatesError(`caBundle ${path} cannot be read: ${code}`, { cause });
  }
  try {
    new X509Certificate(text);
  } catch (cause) {
    throw new CertificatesError(`caBundle ${path} holds no certificate in PEM form`, { cause });
  }
  return text;
}
