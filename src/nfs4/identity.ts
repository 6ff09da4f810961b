import { createHash } from "node:crypto";

/**
 * What tells this volume's server from all others, for ever: the Linux client merges two mounts whose
 * servers agree in owner and client IDs, and gives up reclaiming when the scope changes.
 */
export interface ServerIdentity {
  /** so_major_id; the same on each connection (RFC 8881 §2.10.5). */
  readonly majorId: Uint8Array;
  /** eir_server_scope. */
  readonly scope: Uint8Array;
  /** fsid4; one for all files (RFC 8881 §18.26.4). */
  readonly fsid: { readonly major: bigint; readonly minor: bigint };
}

/** Derives the identity from the volume's uuid of 16 bytes. */
export function serverIdentity(volumeUuid: Uint8Array): ServerIdentity {
  const hex = Buffer.from(volumeUuid).toString("hex");
  const digest = createHash("sha256").update("fsid").update(volumeUuid).digest();
  return {
    majorId: Buffer.from(`s3files/${hex}`),
    scope: Buffer.from(`s3files-scope/${hex}`),
    fsid: { major: digest.readBigUInt64BE(0), minor: digest.readBigUInt64BE(8) },
  };
}
