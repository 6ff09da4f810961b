# kept-programs.sh, to be sourced: programs that Go builds once and that stay compressed in the user's cache folder.

# go_stamp <version>: linker flags that tell Kubernetes' code its version; without them every check sees v0.0.0.
go_stamp() {
  local component=k8s.io/component-base/version major minor
  IFS=. read -r major minor _ <<<"${1#v}"
  echo "-s -w -X $component.gitVersion=$1 -X $component.gitMajor=$major -X $component.gitMinor=$minor" \
    "-X $component.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$1"
}

# keep_programs <name> <key> <folder> <what> <program>...: brings the programs into the folder, from the cache where it
# has all of them under this name and key, else by the caller's function `build`. Says what is being built.
keep_programs() {
  local name=$1 key=$2 to=$3 what=$4 program missing=
  shift 4
  local kept=${XDG_CACHE_HOME:-$HOME/.cache}/s3files-csi-driver/$name/$key
  rm -rf "$to"
  mkdir -p "$to" "$kept"
  for program in "$@"; do [ -f "$kept/$program.zst" ] || missing=$program; done
  if [ -n "$missing" ]; then
    command -v go >/dev/null || { echo "Go 1.26 or newer is needed to build $what: apt-get install golang" >&2; exit 1; }
    echo "Building $what …"
    # Not `build || …`, which would have it go on after its first failure.
    local status
    set +e
    (set -e; build)
    status=$?
    set -e
    if [ $status -ne 0 ]; then
      echo "$what cannot be built: see above. Are Go's modules within reach (go env GOPROXY)?" >&2
      exit 1
    fi
    for program in "$@"; do
      zstd -q -3 -f "$to/$program" -o "$kept/$program.zst.$$"
      mv "$kept/$program.zst.$$" "$kept/$program.zst"
    done
  else
    for program in "$@"; do zstd -q -d -f "$kept/$program.zst" -o "$to/$program"; done
  fi
  chmod 755 "$to"/*
}
