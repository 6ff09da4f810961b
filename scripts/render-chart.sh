#!/bin/sh
# render-chart.sh <folder>: writes what the chart renders below the folder: deploy/s3files-csi-driver.yaml, which
# kubectl can apply, and the golden renderings of its tests. `make deploy` renders into the checkout itself.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
to=$1
chart=$root/charts/s3files-csi-driver
golden=$root/test/chart/golden
mkdir -p "$to/deploy" "$to/test/chart/golden"

{
  cat <<'HEAD'
# Made from charts/s3files-csi-driver with its default values by `make deploy`: do not edit.
apiVersion: v1
kind: Namespace
metadata:
  name: s3files
  labels:
    # Node plugin and mounter mount file systems.
    pod-security.kubernetes.io/enforce: privileged
HEAD
  helm template s3files "$chart" --namespace s3files --no-hooks --kube-version 1.31.0
} >"$to/deploy/s3files-csi-driver.yaml"

for values in "$golden"/*.values.yaml; do
  name=$(basename "$values" .values.yaml)
  helm template s3files "$chart" --namespace s3files --values "$values" --kube-version 1.36.0 \
    >"$to/test/chart/golden/$name.yaml"
done
