import { NetworkS3 } from "../../support/network-s3.ts";
import { helm, installDriver } from "./driver.ts";
import { makeOtherVersion, shellImage } from "./images.ts";
import { askKeeper, runningCluster } from "./keeper-client.ts";
import { controlPlaneAddress } from "./network.ts";
import { places } from "./places.ts";
import { runProgram } from "./run-program.ts";
import type { Target } from "./target.ts";

/** The cluster that `main.ts start` left running in this checkout. */
export interface LocalTarget extends Target {
  /** Network namespace of control plane and store. */
  readonly namespace: string;
}

/** Connects to the running cluster. @throws {Error} when there is none. */
export async function localTarget(): Promise<LocalTarget> {
  const running = await runningCluster();
  if (running === undefined) throw new Error("No cluster runs: start one with make cluster");
  const { namespace, nodes } = running;
  const store = await NetworkS3.start(
    { namespace, hostAddress: controlPlaneAddress },
    { serve: false },
  );
  const onNode: Target["onNode"] = (node, script, timeoutMs = 120_000) =>
    askKeeper("run", node, script, timeoutMs);
  const target: LocalTarget = {
    namespace,
    nodes,
    driverNamespace: "s3files",
    store,
    access: store.access,
    shellImage,
    kubectl: (args, options) => runProgram(places.kubectl, args, options),
    onNode,
    laboratory: {
      powerCut: (node) => askKeeper("powerCut", node),
      shutDown: (node) => askKeeper("shutDown", node),
      powerOn: (node) => askKeeper("powerOn", node),
      setStore: (state) => askKeeper("store", state),
      async otherVersion() {
        const { name, archive } = await makeOtherVersion();
        for (const node of nodes) {
          const { code, output } = await onNode(node, `ctr -n k8s.io images import '${archive}'`);
          if (code !== 0) throw new Error(`${node}: ${output}`);
        }
        return name;
      },
      installDriver: () => installDriver(target, () => undefined),
      helm: (args) => helm(target, args),
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
  return target;
}
