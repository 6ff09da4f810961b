import type { Handler } from "./context.ts";
import type { OperationName } from "./operation-name.ts";
import { abortMultipartUpload } from "./ops/abort-multipart-upload.ts";
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  getBucketVersioning,
  headBucket,
  listBuckets,
  putBucketVersioning,
} from "./ops/bucket.ts";
import { completeMultipartUpload } from "./ops/complete-multipart-upload.ts";
import { copyObject } from "./ops/copy-object.ts";
import { createMultipartUpload } from "./ops/create-multipart-upload.ts";
import { deleteObject } from "./ops/delete-object.ts";
import { deleteObjects } from "./ops/delete-objects.ts";
import { readObject } from "./ops/get-object.ts";
import { listMultipartUploads } from "./ops/list-multipart-uploads.ts";
import { listObjectVersions } from "./ops/list-object-versions.ts";
import { listObjects, listObjectsV2 } from "./ops/list-objects.ts";
import { listParts } from "./ops/list-parts.ts";
import { putObject } from "./ops/put-object.ts";
import { restoreObject } from "./ops/restore-object.ts";
import {
  deleteBucketTagging,
  deleteObjectTagging,
  getBucketTagging,
  getObjectTagging,
  putBucketTagging,
  putObjectTagging,
} from "./ops/tagging.ts";
import { uploadPart } from "./ops/upload-part.ts";
import { uploadPartCopy } from "./ops/upload-part-copy.ts";

/** What performs each operation; an operation without a row does not compile. */
export const operations = {
  AbortMultipartUpload: abortMultipartUpload,
  CompleteMultipartUpload: completeMultipartUpload,
  CopyObject: copyObject,
  CreateBucket: createBucket,
  CreateMultipartUpload: createMultipartUpload,
  DeleteBucket: deleteBucket,
  DeleteBucketTagging: deleteBucketTagging,
  DeleteObject: deleteObject,
  DeleteObjectTagging: deleteObjectTagging,
  DeleteObjects: deleteObjects,
  GetBucketLocation: getBucketLocation,
  GetBucketTagging: getBucketTagging,
  GetBucketVersioning: getBucketVersioning,
  GetObject: readObject,
  GetObjectTagging: getObjectTagging,
  HeadBucket: headBucket,
  HeadObject: readObject,
  ListBuckets: listBuckets,
  ListMultipartUploads: listMultipartUploads,
  ListObjectVersions: listObjectVersions,
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  ListParts: listParts,
  PutBucketTagging: putBucketTagging,
  PutBucketVersioning: putBucketVersioning,
  PutObject: putObject,
  PutObjectTagging: putObjectTagging,
  RestoreObject: restoreObject,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
} as const satisfies Record<OperationName, Handler>;
