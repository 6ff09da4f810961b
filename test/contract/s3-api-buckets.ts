import assert from "node:assert/strict";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketTaggingCommand,
  GetBucketLocationCommand,
  GetBucketTaggingCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketTaggingCommand,
} from "@aws-sdk/client-s3";
import { fails, put, type S3ApiCase } from "./s3-api-case.ts";

/** Buckets: their life, names, location and tags. */
export const bucketCases: readonly S3ApiCase[] = [
  {
    title: "a created bucket is found, listed, and gone once deleted",
    async run({ client, bucket }) {
      await client.send(new HeadBucketCommand({ Bucket: bucket }));
      const { Buckets } = await client.send(new ListBucketsCommand({}));
      const found = Buckets?.find(({ Name }) => Name === bucket);
      assert.ok(found?.CreationDate instanceof Date);
      await client.send(new DeleteBucketCommand({ Bucket: bucket }));
      await fails(client.send(new HeadBucketCommand({ Bucket: bucket })), 404);
    },
  },
  {
    title: "a bucket with an object cannot be deleted",
    async run(api) {
      await put(api, "a", "x");
      const request = api.client.send(new DeleteBucketCommand({ Bucket: api.bucket }));
      await fails(request, 409, "BucketNotEmpty");
    },
  },
  {
    title: "requests to a missing bucket fail with NoSuchBucket",
    async run(api) {
      const Bucket = `${api.bucket}-missing`;
      await fails(api.client.send(new ListObjectsV2Command({ Bucket })), 404, "NoSuchBucket");
      await fails(put({ ...api, bucket: Bucket }, "a", "x"), 404, "NoSuchBucket");
      await fails(api.client.send(new DeleteBucketCommand({ Bucket })), 404, "NoSuchBucket");
    },
  },
  {
    title: "bucket names outside the rules are refused",
    async run({ client }) {
      for (const Bucket of ["Upper-case", "192.168.1.1", "a..b", "-dash", "under_score"]) {
        await fails(client.send(new CreateBucketCommand({ Bucket })), 400, "InvalidBucketName");
      }
    },
  },
  {
    title: "creating one's own bucket again succeeds in us-east-1",
    async run({ client, bucket }) {
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
    },
  },
  {
    title: "the location of a bucket in us-east-1 is empty",
    async run({ client, bucket }) {
      const answer = await client.send(new GetBucketLocationCommand({ Bucket: bucket }));
      assert.equal(answer.LocationConstraint ?? "", "");
    },
  },
  {
    title: "bucket tags are kept, replaced and removed",
    async run({ client, bucket: Bucket }) {
      const get = () => client.send(new GetBucketTaggingCommand({ Bucket }));
      await fails(get(), 404, "NoSuchTagSet");
      for (const Value of ["one", "two + ü=3 @/:._-"]) {
        const Tagging = { TagSet: [{ Key: "owner", Value }] };
        await client.send(new PutBucketTaggingCommand({ Bucket, Tagging }));
        assert.deepEqual((await get()).TagSet, [{ Key: "owner", Value }]);
      }
      await client.send(new DeleteBucketTaggingCommand({ Bucket }));
      await fails(get(), 404, "NoSuchTagSet");
    },
  },
  {
    title: "a tag with characters outside the rules is InvalidTag",
    async run({ client, bucket: Bucket }) {
      const Tagging = { TagSet: [{ Key: "owner", Value: "two & <three>" }] };
      await fails(client.send(new PutBucketTaggingCommand({ Bucket, Tagging })), 400, "InvalidTag");
    },
  },
];
