#!/bin/bash
# kind.sh: the cluster scenarios on kind. Needs Docker, kind, kubectl, helm, and a host kernel with the NFS version 4
# client. Builds the image, makes a cluster of two workers, installs the chart with its own S3 server, and hands over
# to test/e2e/cluster/scenarios.test.ts, which the local cluster runs too. KEEP=1 leaves the cluster for a look.
set -euo pipefail
cd "$(dirname "$0")/../.."

cluster=s3files-e2e
namespace=s3files
tag=e2e
folder=build/kind
scenarios=test/e2e/cluster/scenarios.test.ts

for program in docker kind kubectl helm; do
  command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 1; }
done
grep -qw nfs4 /proc/filesystems || sudo -n modprobe nfsv4 ||
  { echo "this kernel has no NFS version 4 client: modprobe nfsv4" >&2; exit 1; }
[ -f "$scenarios" ] || { echo "$scenarios is missing" >&2; exit 1; }

mkdir -p "$folder"
export KUBECONFIG=$PWD/$folder/kubeconfig

finish() {
  local status=$?
  kind export logs "$folder/logs" --name "$cluster" || echo "no logs of the nodes" >&2
  [ "${KEEP:-}" = 1 ] || kind delete cluster --name "$cluster"
  exit $status
}

docker build --tag "s3files-csi-driver:$tag" .
trap finish EXIT
kind create cluster --name "$cluster" --wait 120s --config - <<'CONFIG'
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
  - role: worker
  - role: worker
CONFIG
kind load docker-image "s3files-csi-driver:$tag" --name "$cluster"

kubectl create namespace "$namespace"
kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=privileged
helm install s3files charts/s3files-csi-driver --namespace "$namespace" --wait --timeout 5m \
  --set "image.tag=$tag,image.pullPolicy=Never,devS3.enabled=true,node.maxVolumes=12,logLevel=debug"

S3FILES_CLUSTER_KUBECONFIG=$KUBECONFIG S3FILES_CLUSTER_NAMESPACE=$namespace node_modules/.bin/mocha --forbid-only "$scenarios" "$@"
