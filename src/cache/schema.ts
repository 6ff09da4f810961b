/** `PRAGMA application_id` of a volume database: "S3F1" in ASCII. */
export const applicationId = 0x53334631;

/**
 * Version of everything below the volume's state folder. A newer one is refused; an older one is upgraded
 * by the steps from it to this one, in one transaction. A release that knows a format less must not touch it: it would
 * take a file's further name for the only one.
 */
export const formatVersion = 2;

const linkTables = `CREATE TABLE link (
  id TEXT PRIMARY KEY, inode INTEGER NOT NULL, etag TEXT, dirty_since_ms INTEGER NOT NULL, doubt_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX link_inode ON link (inode);
CREATE INDEX link_idle ON link (id) WHERE etag IS NULL;
CREATE INDEX link_dirty ON link (dirty_since_ms) WHERE dirty_since_ms > 0;
CREATE TABLE link_name (
  id TEXT NOT NULL, key TEXT NOT NULL, is_primary INTEGER NOT NULL, is_shown INTEGER NOT NULL,
  PRIMARY KEY (id, key)
) WITHOUT ROWID;
CREATE INDEX link_name_key ON link_name (key);
`;

/**
 * Tables of the volume database. Times are seconds and nanoseconds, `_ms` columns milliseconds since the
 * Unix epoch, `_epoch` columns write epochs (see extents.ts). Ids of inodes are never reused: `meta.nextInode`.
 *
 * | table | one row is |
 * |---|---|
 * | meta | a fact of the whole volume |
 * | inode | a file; its own attributes, where its object is now at S3, what of it S3 does not have yet |
 * | entry | a name in a directory; `cookie` orders READDIR; `link` is 0 for the name that the object is kept under |
 * | link | a file with several names, or a record at S3 of one; see links.ts |
 * | link_name | a name that the record at S3 gives such a file |
 * | extent | a byte range of a file that is known here: hole, clean (equals S3) or dirty; what has no row equals the base object |
 * | shadow | what an extent that is not yet on the disk replaced, to fall back to after a power cut |
 * | frozen | the extents of a file at the moment its export began |
 * | tombstone | an object whose name is gone here and which is to be deleted at S3 |
 * | attempt | a mutating S3 request that may have been sent |
 * | state | a record of the protocol layer |
 */
export const schema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE inode (
  id INTEGER PRIMARY KEY,
  type INTEGER NOT NULL, mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
  links INTEGER NOT NULL, size INTEGER NOT NULL, hole_bytes INTEGER NOT NULL,
  atime_s INTEGER NOT NULL, atime_n INTEGER NOT NULL,
  mtime_s INTEGER NOT NULL, mtime_n INTEGER NOT NULL,
  ctime_s INTEGER NOT NULL, ctime_n INTEGER NOT NULL,
  change INTEGER NOT NULL,
  target BLOB, verifier BLOB,
  write_gen INTEGER NOT NULL, fetch_gen INTEGER NOT NULL, next_gen INTEGER NOT NULL,
  base_size INTEGER NOT NULL, frozen_min_size INTEGER NOT NULL,
  key TEXT, etag TEXT, version_id TEXT, remote_size INTEGER NOT NULL, remote_mtime_ms INTEGER NOT NULL,
  headers TEXT, exact INTEGER NOT NULL, checked_ms INTEGER NOT NULL,
  dirty INTEGER NOT NULL, dirty_since_ms INTEGER NOT NULL, dirty_last_ms INTEGER NOT NULL,
  imported INTEGER NOT NULL, next_cookie INTEGER NOT NULL
);
CREATE INDEX inode_key ON inode (key) WHERE key IS NOT NULL;
CREATE INDEX inode_dirty ON inode (dirty_last_ms) WHERE dirty > 0 AND dirty < 8;
CREATE INDEX inode_unlinked ON inode (id) WHERE links = 0;
CREATE TABLE entry (
  dir INTEGER NOT NULL, name TEXT NOT NULL, cookie INTEGER NOT NULL, inode INTEGER NOT NULL, link INTEGER NOT NULL,
  PRIMARY KEY (dir, name)
) WITHOUT ROWID;
CREATE INDEX entry_cookie ON entry (dir, cookie, inode);
CREATE INDEX entry_inode ON entry (inode, link);
${linkTables}CREATE TABLE extent (
  inode INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
  gen INTEGER NOT NULL, kind INTEGER NOT NULL, first_epoch INTEGER NOT NULL, last_epoch INTEGER NOT NULL,
  PRIMARY KEY (inode, start)
) WITHOUT ROWID;
CREATE INDEX extent_unsynced ON extent (inode, last_epoch) WHERE last_epoch > 0;
CREATE TABLE shadow (
  inode INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
  gen INTEGER NOT NULL, kind INTEGER NOT NULL, first_epoch INTEGER NOT NULL, last_epoch INTEGER NOT NULL,
  PRIMARY KEY (inode, start)
) WITHOUT ROWID;
CREATE TABLE frozen (
  inode INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
  gen INTEGER NOT NULL, kind INTEGER NOT NULL, first_epoch INTEGER NOT NULL, last_epoch INTEGER NOT NULL,
  PRIMARY KEY (inode, start)
) WITHOUT ROWID;
CREATE TABLE tombstone (
  key TEXT PRIMARY KEY, etag TEXT, version_id TEXT, since_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE attempt (
  id INTEGER PRIMARY KEY, inode INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
  expected TEXT, source_key TEXT, source_etag TEXT, upload_id TEXT, size INTEGER NOT NULL,
  dirty INTEGER NOT NULL, state TEXT NOT NULL, created_ms INTEGER NOT NULL, detail TEXT
);
CREATE INDEX attempt_inode ON attempt (inode);
CREATE INDEX attempt_key ON attempt (key);
CREATE TABLE state (kind TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
`;

/** The steps to the format after each: that of format 1 is the first. */
export const upgrades: readonly string[] = [
  "ALTER TABLE entry ADD COLUMN link INTEGER NOT NULL DEFAULT 0; " +
    `DROP INDEX entry_inode; CREATE INDEX entry_inode ON entry (inode, link); ${linkTables}`,
];
