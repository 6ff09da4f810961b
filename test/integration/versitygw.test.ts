import { s3ApiSuite } from "../contract/s3-api.ts";
import { startVersitygw } from "../support/versitygw.ts";
import { versitygwDifferences } from "./versitygw-differences.ts";

s3ApiSuite("versitygw", startVersitygw, versitygwDifferences);
