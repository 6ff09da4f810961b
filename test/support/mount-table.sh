#!/bin/bash
# Stands for mount, umount, sync and s3files-launcher of the node plugin on a machine whose kernel has no NFS client:
# the mounts are lines of $MOUNT_TABLE, in the form of /proc/self/mountinfo. What these programs demand is demanded:
# directories must be there, mounts too, and a server must answer behind a pin.
set -eu
fail() { echo "${0##*/}: $*" >&2; exit 32; }
exec 9>>"$MOUNT_TABLE.lock"
flock 9
touch "$MOUNT_TABLE"

# at <mount point>: the line of the mount on top there, empty if there is none.
at() { awk -v path="$1" '$5 == path { line = $0 } END { print line }' "$MOUNT_TABLE"; }

# replace <line> <new line or nothing>: the last line that equals the first.
replace() {
  awk -v old="$1" -v new="$2" '{ lines[NR] = $0; if ($0 == old) at = NR }
    END { for (n = 1; n <= NR; n++) if (n != at) print lines[n]; else if (new != "") print new }' "$MOUNT_TABLE" >"$MOUNT_TABLE.new"
  mv "$MOUNT_TABLE.new" "$MOUNT_TABLE"
}

case ${0##*/} in
  s3files-launcher)
    [ "$1" = mount ] || fail "only mounts"
    shift
    declare -A given
    while [ $# -gt 1 ]; do given[${1#--}]=$2; shift 2; done
    [ -d "${given[target]}" ] || fail "${given[target]} is no directory"
    nsenter --net="${given[pin]}" bash -c ': <>/dev/tcp/127.0.0.1/2049' || fail "nothing answers behind ${given[pin]}"
    device=table:$RANDOM$RANDOM
    access=rw
    [[ ,${given[flags]}, != *,ro,* ]] || access=ro
    echo "1 0 $device / ${given[target]} $access,${given[flags]} - ${given[type]} ${given[source]} $access,${given[options]}" >>"$MOUNT_TABLE" ;;
  mount)
    if [ "$3" = --bind ]; then
      line=$(at "$4")
      [ -n "$line" ] || fail "$4 is no mount"
      [ -d "$5" ] || fail "$5 is no directory"
      read -r id parent device root _ rest <<<"$line"
      echo "$id $parent $device $root $5 $rest" >>"$MOUNT_TABLE"
    elif [ "$3" = -o ]; then
      line=$(at "$5")
      [ -n "$line" ] || fail "$5 is no mount"
      read -r id parent device root path _ rest <<<"$line"
      replace "$line" "$id $parent $device $root $path ${4#remount,bind,} $rest"
    else
      fail "not known: $*"
    fi ;;
  umount)
    line=$(at "${!#}")
    [ -n "$line" ] || fail "${!#} is not mounted"
    replace "$line" "" ;;
  sync)
    [ -n "$(at "${!#}")" ] || fail "${!#} is no mount" ;;
esac
