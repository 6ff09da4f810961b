import { fileURLToPath } from "node:url";
import { type GrpcObject, loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { ProtoGrpcType } from "./gen/csi.ts";

/**
 * How CSI messages look in this program: camelCase fields, 64-bit integers as decimal strings, enums
 * by name, unset fields with their defaults, and the name of a oneof's set field. The generated types
 * (`scripts/generate-csi-types.mjs`) are made with the same options.
 */
export const csiLoaderOptions = {
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
} as const;

/** The CSI 1.13 services and messages of `proto/csi.proto`, read from disk at each call. */
export function loadCsi(): ProtoGrpcType["csi"]["v1"] {
  const file = fileURLToPath(new URL("../../proto/csi.proto", import.meta.url));
  const loaded: GrpcObject = loadPackageDefinition(loadSync(file, csiLoaderOptions));
  return (loaded as unknown as ProtoGrpcType).csi.v1;
}
