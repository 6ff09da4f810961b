import type { ObjectReference } from "../kubernetes/events.ts";

/** Kubernetes' keys in a volume's context, which CreateVolume passes on and kubelet adds to. */
const keys = {
  volume: "csi.storage.k8s.io/pv/name",
  claim: "csi.storage.k8s.io/pvc/name",
  claimNamespace: "csi.storage.k8s.io/pvc/namespace",
  pod: "csi.storage.k8s.io/pod.name",
  podNamespace: "csi.storage.k8s.io/pod.namespace",
  podUid: "csi.storage.k8s.io/pod.uid",
} as const;

type Context = Readonly<Record<string, string>>;

/** The names that the provisioner adds to the parameters with `--extra-create-metadata`, for the volume's context. */
export function namesFor(parameters: Context): Context {
  const names = [keys.volume, keys.claim, keys.claimNamespace].flatMap((key) => {
    const value = parameters[key];
    return value === undefined || value === "" ? [] : [[key, value] as const];
  });
  return Object.fromEntries(names);
}

/** The claim and the volume that a context names; none for static volumes and outside Kubernetes. */
export function volumeReferences(context: Context): readonly ObjectReference[] {
  const { [keys.claim]: claim, [keys.claimNamespace]: namespace, [keys.volume]: volume } = context;
  return [
    ...(claim && namespace
      ? [{ kind: "PersistentVolumeClaim", namespace, name: claim } as const]
      : []),
    ...(volume ? [{ kind: "PersistentVolume", name: volume } as const] : []),
  ];
}

/** The pod that a Publish's context names, with `podInfoOnMount`. */
export function podReference(context: Context): ObjectReference | undefined {
  const { [keys.pod]: name, [keys.podNamespace]: namespace, [keys.podUid]: uid } = context;
  if (!name || !namespace) return undefined;
  return { kind: "Pod", namespace, name, ...(uid ? { uid } : {}) };
}
