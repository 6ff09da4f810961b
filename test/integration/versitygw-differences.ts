import type { Difference } from "../contract/s3-api-case.ts";

/** Where versitygw v1.8.0 departs from AWS, by case. */
export const versitygwDifferences: Readonly<Record<string, Difference>> = {};
