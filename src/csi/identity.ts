import type { IdentityDefinition } from "./gen/csi/v1/Identity.ts";
import { driverName } from "./ownership-mark.ts";
import type { Rpcs } from "./unary.ts";

/** What the Identity service is given. */
export interface IdentityDependencies {
  readonly version: string;
  /** Whether this process can do its work; false makes Probe answer "not ready", not an error. */
  readonly isReady: () => Promise<boolean>;
}

/** The Identity service, the same on controller and node. */
export function identityRpcs(dependencies: IdentityDependencies): Rpcs<IdentityDefinition> {
  return {
    GetPluginInfo: () => Promise.resolve({ name: driverName, vendorVersion: dependencies.version }),
    GetPluginCapabilities: () =>
      Promise.resolve({ capabilities: [{ service: { type: "CONTROLLER_SERVICE" } }] }),
    Probe: async () => ({ ready: { value: await dependencies.isReady() } }),
  };
}
