#!/bin/bash
# run-tests.sh <stage>...: runs stages of the tests, all of them even when one fails, and fails if any did.
# fast: format, lint, types, unit tests · contract: suites over fakes and in-process servers, protocol, model, sanity
# chart: the Helm chart, its renderings and the examples · integration: independent servers and real processes · e2e: the Linux NFS client
# cluster: some scenarios on a real Kubernetes, which it builds when it is not there · cluster-whole: all of them · reference: see Makefile
set -u -o pipefail
cd "$(dirname "$0")/.."
mkdir -p build/logs
failed=()

# step <name> <command>...: says what runs, and how long it took.
step() {
  local name=$1 began=$SECONDS
  shift
  echo "── $name"
  "$@" || failed+=("$name")
  echo "── $name: $((SECONDS - began)) s"
}

# mocha_in <folder>...: the test files below those of the folders that exist; mocha fails when it is given none.
mocha_in() {
  local files=()
  readarray -d '' files < <(find "$@" -name '*.test.ts' -print0 2>/dev/null | sort -z)
  [ ${#files[@]} -gt 0 ] || { echo "no tests in $*"; return 0; }
  mocha --forbid-only "${files[@]}"
}

# e2e_lanes: a guest has one CPU, so the files suites run beside the crashes; each line says which lane it is of.
e2e_lanes() {
  local others
  readarray -d '' others < <(find test/e2e -name '*.test.ts' ! -name mount.test.ts ! -path '*/cluster/*' -print0 | sort -z)
  mocha --forbid-only test/e2e/mount.test.ts 2>&1 | sed -u 's/^/[files]   /' &
  local files=$!
  mocha --forbid-only "${others[@]}" 2>&1 | sed -u 's/^/[crashes] /' &
  local crashes=$! status=0
  wait "$files" || status=1
  wait "$crashes" || status=1
  return $status
}

# cluster_tests <nodes> [<scenario>,...]: on a Kubernetes that is started for them, unless one runs.
cluster_tests() {
  local status=0
  make -s setup-cluster || { echo "no cluster: its programs cannot be had, see above" >&2; return 1; }
  timeout -k 10 900 node test/e2e/cluster/main.ts start "$1" || { node test/e2e/cluster/main.ts stop; return 1; }
  S3FILES_SCENARIOS=${2:-} timeout -k 10 7200 mocha --forbid-only test/e2e/cluster/*.test.ts || status=1
  node test/e2e/cluster/main.ts stop || status=1
  return $status
}

for stage in "$@"; do
  case $stage in
    fast)
      step "format and lint" biome ci .
      step types tsc --noEmit
      step "unit tests" mocha_in test/unit
      ;;
    contract) step "contract, protocol, model and sanity tests" mocha_in test/contract test/protocol test/model test/sim test/sanity ;;
    chart) step "the chart" mocha_in test/chart ;;
    integration) step "integration tests" mocha_in test/integration ;;
    e2e) step "the real client" e2e_lanes ;;
    cluster) step "Kubernetes" cluster_tests 1 full,groups,wrong-secret,server,power-cut ;;
    cluster-whole) step "Kubernetes" cluster_tests 2 ;;
    reference) step "the reference server" mocha_in test/reference ;;
    *) echo "run-tests.sh does not know '$stage'" >&2; exit 2 ;;
  esac
done

if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
