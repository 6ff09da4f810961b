/**
 * Everything a volume server must know of its volume: the validated result of the StorageClass
 * parameters, the PersistentVolume's attributes and the driver's configuration. It is sent to the
 * supervisor and kept in `volume.json`; it never holds a credential.
 */
export interface VolumeSpec {
  /** The CSI volume handle, at most 128 bytes. */
  readonly volumeId: string;
  readonly bucket: string;
  /** Empty, or a key prefix that ends in `/`. */
  readonly prefix: string;
  /** Connection of the driver's configuration whose credentials are the driver's own; absent: `default`. */
  readonly connectionName?: string;
  /** Absolute URL of the S3 endpoint; absent: AWS's own for `region`. */
  readonly endpoint?: string;
  readonly region: string;
  /** Bucket in the path instead of in the host name. */
  readonly forcePathStyle: boolean;
  /** PEM file of a private certificate authority. */
  readonly caBundle?: string;
  readonly cacheMode: "full" | "metadata-only";
  /** Ceiling of the cached file data on this node. */
  readonly cacheSizeBytes: number;
  /** Quiet time after which a changed file is exported. */
  readonly writeBackDelayMs: number;
  /** Longest time a change waits for its export. */
  readonly writeBackMaxDelayMs: number;
  /** Age from which what was learned from S3 is asked for again. */
  readonly revalidateAfterMs: number;
  /** Files below this size are fetched when their directory is first used. */
  readonly importSizeLessThanBytes: number;
  /** Attributes of objects that carry no POSIX metadata; modes without type bits. */
  readonly uid: number;
  readonly gid: number;
  readonly fileMode: number;
  readonly dirMode: number;
  /** Ceiling of the server's buffers. */
  readonly memoryLimitBytes: number;
  /** Whether setuid, setgid and device bits of imported objects are believed. */
  readonly trustObjectModes: boolean;
  /** What `df` shows as the volume's size; 0 when the claim gave none. */
  readonly capacityBytes: number;
  readonly readOnly: boolean;
  /** S3's storage class of new objects; absent: the bucket's own. */
  readonly storageClass?: string;
  /** Encryption of objects that have no KMS key of their own; absent: the bucket's own. */
  readonly sse?: string;
  readonly kmsKeyId?: string;
  /** Absent: what was learned from S3 is believed for `revalidateAfterMs`, and changes are exported after quiet. */
  readonly consistency?: "close-to-open";
  /** Absent: fsync is done when the node's disk has the data. */
  readonly fsyncTo?: "s3";
  /** Absent: changes of names that no program waits for may follow within a second. */
  readonly durability?: "strict";
  /** Absent: files show their objects' own attributes. */
  readonly statMetadata?: "listing";
  /** Absent: opening an archived object fails at once. */
  readonly archivedObjects?: "restore";
  /** Absent: lost+found stays on the node. */
  readonly lostAndFound?: "bucket";
  /** Clean data goes when its file was not used for so long; absent: never for this reason. */
  readonly expireAfterLastAccessMs?: number;
  /** The node's name in its record in the bucket; absent: no record is kept. */
  readonly nodeName?: string;
  /** Whether only one node may have the volume at a time; absent: any number may. */
  readonly singleNode?: boolean;
}

/** S3 credentials as a volume server reads them from its credentials file (mode 0600, on tmpfs). */
export interface CredentialsFile {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}
