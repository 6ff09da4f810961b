import { join } from "node:path";
import { projectDir } from "../../support/uml.ts";

const root = join(projectDir, "build/cluster");

/** Where the cluster of this checkout keeps its things; one cluster per checkout. */
export const places = {
  root,
  /** Programs, see scripts/install-kubernetes.sh. */
  bin: join(root, "bin"),
  certificates: join(root, "certificates"),
  images: join(root, "images"),
  /** The disk that every node begins with. */
  disk: join(root, "node.ext4"),
  logs: join(root, "logs"),
  /** What lives as long as the running cluster. */
  run: join(root, "run"),
  /** The keeper's socket: there while a cluster runs. */
  socket: join(root, "run/keeper.sock"),
  /** `kubectl` for a person, from any folder. */
  kubectl: join(root, "kubectl"),
  kubeconfig: join(root, "certificates/admin.kubeconfig"),
  harness: import.meta.dirname,
  scripts: join(projectDir, "scripts"),
} as const;
