/**
 * Programs as people run them, each on the mount and on the guest's own disk: what they print, and the trees that they
 * leave, must be the same.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run, scratchDirectory } from "../../support/mounted.ts";

interface Workload {
  readonly title: string;
  /** A bash script for an empty directory; what it leaves in `left/` is compared, and what it prints. */
  readonly script: string;
  /** What it prints, for one that takes too long to be run twice; it leaves nothing. */
  readonly prints?: string;
}

const environment = {
  ...process.env,
  LC_ALL: "C.UTF-8",
  TZ: "UTC",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "Test",
  GIT_AUTHOR_EMAIL: "test@example.invalid",
  GIT_AUTHOR_DATE: "2020-01-01T00:00:00Z",
  GIT_COMMITTER_NAME: "Test",
  GIT_COMMITTER_EMAIL: "test@example.invalid",
  GIT_COMMITTER_DATE: "2020-01-01T00:00:00Z",
};

/** Files of a few lines, `$1` folders of `$2` each, below the directory `$3`. */
const makeFiles = `files() {
  perl -e 'my ($folders, $each, $root) = @ARGV; mkdir $root; for my $i (1 .. $folders) { mkdir "$root/d$i";
    for my $j (1 .. $each) { open my $f, ">", "$root/d$i/f$j" or die "$root/d$i/f$j: $!";
      print $f "line $i of file $j\\n" x ($j % 50) or die; close $f or die } }' "$1" "$2" "$3"
}`;

/** `make soak` takes 50: git with 2,000 files, tar with 5,000. */
const each = Number(process.env["S3FILES_FILES_EACH"] ?? "5");

const workloads: readonly Workload[] = [
  {
    title: "vim and sed -i: a file is saved in each way that editors save",
    script: `mkdir left; cd left; for copy in yes no; do for backup in backup nobackup; do
printf 'one\\ntwo\\nthree\\n' > $copy-$backup; chmod 640 $copy-$backup; chown 1000:1001 $copy-$backup
vim.tiny -u NONE -i NONE -n -es -c "set backupskip= backupcopy=$copy $backup" -c '%s/two/2/' -c wq $copy-$backup; cat $copy-$backup; done; done
sed -i.orig 's/three/3/' yes-backup; sed -i 's/one/1/' no-backup; perl -pi -e 's/2/zwei/' yes-nobackup; ls`,
  },
  {
    title: "sqlite3: two writers at once, with a rollback journal and with a write-ahead log",
    script: `mkdir left; for mode in delete wal; do
db=$mode.sqlite; sqlite3 $db "pragma journal_mode = $mode; create table t (id integer primary key, writer text, n integer);"
write() { for n in $(seq 1 15); do echo "begin immediate; insert into t (writer, n) values ('$1', $n); commit;"; done | sqlite3 -bail -cmd '.timeout 60000' $db; }
write a & one=$!; write b & two=$!; wait $one; wait $two
sqlite3 $db 'pragma integrity_check; select writer, count(*), sum(n) from t group by writer; vacuum; pragma wal_checkpoint(truncate);'
sqlite3 $db 'select writer, n from t order by writer, n' > left/$mode; done; rm -f ./*.sqlite*`,
  },
  {
    title:
      "maildir and mbox: messages are delivered by rename, and a mailbox is appended to under a lock",
    script: `mkdir -p left/tmp left/new left/cur; : > left/mbox
deliver() { for n in $(seq 1 20); do f=$1.$n; echo "message $1 $n" > left/tmp/$f; mv left/tmp/$f left/new/$f
( flock 9; printf 'From %s\\n\\nmessage %s\\n\\n' $1 $n >&9 ) 9>> left/mbox; done; }
deliver a & one=$!; deliver b & two=$!; wait $one; wait $two; grep -c ^From left/mbox; ls left/tmp | wc -l; ls left/new | wc -l
cd left/new; for f in *; do mv $f ../cur/$f:2,S; done; cd ..; sort mbox > sorted; rm mbox; ls cur | head -3`,
  },
  {
    title: "dpkg: a package is installed below a root, and upgraded there",
    script: `for version in 1 2; do p=package-$version; mkdir -p $p/DEBIAN $p/usr/bin $p/etc $p/usr/share/doc/a-package
printf 'Package: a-package\\nVersion: %s\\nArchitecture: all\\nMaintainer: Test <test@example.invalid>\\nDescription: a package\\n' $version > $p/DEBIAN/control
echo /etc/a-package.conf > $p/DEBIAN/conffiles; echo "value $version" > $p/etc/a-package.conf; printf '#!/bin/sh\\necho version %s\\n' $version > $p/usr/bin/a-program
chmod 755 $p/usr/bin/a-program; echo $version > $p/usr/share/doc/a-package/only-$version; ln -s a-program $p/usr/bin/an-alias
dpkg-deb --root-owner-group -Znone -b $p $p.deb > log; rm -rf $p; done; mkdir -p left/var/lib/dpkg/updates left/var/lib/dpkg/info; : > left/var/lib/dpkg/status; : > left/var/lib/dpkg/available
for version in 1 2; do dpkg --root=left --force-not-root --force-script-chrootless --log=/dev/null --no-triggers -i package-$version.deb 2>&1 | grep -v '^(Reading'; left/usr/bin/an-alias; done
dpkg --root=left --log=/dev/null -V a-package; dpkg --root=left -L a-package; rm -rf left/var log`,
  },
  {
    title: "rsync -aX: a second run copies nothing, --checksum agrees, --delete removes",
    script: `${makeFiles}
files 10 20 from; setfattr -n user.kind -v 'a value' from/d1/f1; setfattr -n user.kind -v other from/d2
find from -exec touch -d 2001-02-03 {} +
rsync -aX from/ left/; rsync -aX --itemize-changes from/ left/; rsync -aX --checksum --itemize-changes from/ left/
getfattr -d left/d1/f1 left/d2; rm from/d3/f3; echo changed > from/d4/f4; rsync -aX --delete --itemize-changes from/ left/ | cut -c1-9,13-
rsync -a --inplace --append-verify from/ left/; rm -rf from`,
  },
  {
    title: "make and gcc: a C project is built, installed, and only what changed is built again",
    script: `mkdir left; cd left
for i in 1 2 3; do printf 'int f%d(void) { return %d; }\\n' $i $i > f$i.c; done
printf '#include <stdio.h>\\nint f1(void), f2(void), f3(void);\\nint main(void) { printf("%%d\\\\n", f1() + f2() + f3()); }\\n' > main.c
printf 'OBJECTS = main.o f1.o f2.o f3.o\\nprogram: $(OBJECTS)\\n\\tgcc -o $@.new $^ && mv $@.new $@\\n%%.o: %%.c\\n\\tgcc -c -o $@.tmp.$$$$ $< && mv -f $@.tmp.$$$$ $@\\ninstall: program\\n\\tinstall -D program root/bin/program\\n' > Makefile
make -s -j2; ./program; make -q program; touch -d '+2 seconds' f2.c; make -n program | grep -c 'gcc -c'; make -s; make -s install; root/bin/program
ar rc lib.a f1.o f2.o; ranlib lib.a; nm lib.a | grep -c ' T '; strip program; ./program; rm -f *.o *.a program root/bin/program`,
  },
  {
    title:
      "PostgreSQL: a cluster is made, pgbench runs in it, it crashes, recovers, and has every transaction",
    script: `chmod 755 .; mkdir left data; chown postgres: data; bin=$(echo /usr/lib/postgresql/*/bin); socket=$(mktemp -d); chown postgres: $socket
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
start() { as $bin/pg_ctl -D "$PWD/data" -o "-c listen_addresses= -c shared_buffers=16MB -k $socket" -l "$PWD/data/log" -t 180 -w start > /dev/null; }
stop() { as $bin/pg_ctl -D "$PWD/data" -t 180 -w -m $1 stop > /dev/null; }
sql() { as $bin/psql -h $socket -d postgres -Atqc "$1"; }
as $bin/initdb -D "$PWD/data" -A trust -k --locale=C > /dev/null
start; trap 'stop immediate; rm -rf $socket' EXIT
as $bin/pgbench -h $socket -i -q -s 1 postgres 2> /dev/null; as $bin/pgbench -h $socket -n -c 2 -t 60 postgres > /dev/null 2>&1
balanced='select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts) and sum(delta) = (select sum(bbalance) from pgbench_branches) from pgbench_history'
sql "$balanced"; stop immediate; start; sql "$balanced"; sql 'vacuum full pgbench_accounts'; sql 'select count(*) from pgbench_accounts'
stop fast; trap - EXIT; as $bin/pg_checksums --check -D "$PWD/data" | grep -i bad; rm -rf $socket data`,
    prints: "120|t\n120|t\n100000\nBad checksums:  0\n",
  },
  {
    title: "npm: a project's packages are installed from its lock file, twice",
    script: `mkdir -p package/lib left; cd package
echo '{"name":"a-package","version":"1.2.3","main":"lib/index.js","bin":{"a-command":"lib/command.js"}}' > package.json
echo 'module.exports = 42;' > lib/index.js; printf '#!/usr/bin/env node\\nconsole.log("command", require("./index.js"));\\n' > lib/command.js
cd ..; tar -czf a-package-1.2.3.tgz package; rm -rf package; cd left; cp ../a-package-1.2.3.tgz .
echo '{"name":"project","version":"1.0.0","dependencies":{"a-package":"file:a-package-1.2.3.tgz"}}' > package.json
export npm_config_cache="$PWD/../cache" npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false
npm install --offline --silent; npm ci --offline --silent; node -p 'require("a-package")'; node_modules/.bin/a-command
rm -rf ../cache node_modules/.package-lock.json package-lock.json *.tgz`,
  },
  {
    title: "python: a virtual environment is made, and a wheel installed in it",
    script: `mkdir wheel; cd wheel; mkdir a_module a_module-1.0.dist-info; echo 'VALUE = 7' > a_module/__init__.py
printf 'Metadata-Version: 2.1\\nName: a-module\\nVersion: 1.0\\n' > a_module-1.0.dist-info/METADATA
printf 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n' > a_module-1.0.dist-info/WHEEL
printf 'a_module/__init__.py,,\\na_module-1.0.dist-info/METADATA,,\\na_module-1.0.dist-info/WHEEL,,\\na_module-1.0.dist-info/RECORD,,\\n' > a_module-1.0.dist-info/RECORD
/usr/bin/python3 -c 'import shutil; shutil.make_archive("../archive", "zip", ".")'; mv ../archive.zip ../a_module-1.0-py3-none-any.whl; cd ..
/usr/bin/python3 -m venv --symlinks venv; venv/bin/pip install --quiet --no-index --disable-pip-version-check ./a_module-1.0-py3-none-any.whl
venv/bin/python -c 'import a_module; print(a_module.VALUE)'; venv/bin/pip list --format=freeze --disable-pip-version-check | grep a-module; mkdir left; cp -r venv/lib/python3*/site-packages/a_module left/; rm -rf left/a_module/__pycache__`,
  },
  {
    title: `tar: ${50 * 2 * each} files with modes, times and owners are packed and unpacked`,
    script: `${makeFiles}
files 50 ${2 * each} tree; chmod 640 tree/d1/*; chmod 4755 tree/d2/f1; chown 1234:2345 tree/d3/*; touch -d '2001-02-03 04:05:06.7' tree/d4/*
ln -s ../d1/f1 tree/d5/link; mkfifo tree/d5/pipe; tar -cf tree.tar --format=posix tree; mkdir left
tar -xpf tree.tar -C left --numeric-owner; tar -df tree.tar -C left; find left -newermt 2002-01-01 -name 'f*' | wc -l`,
  },
  {
    title: `git: a repository of ${40 * each} files is cloned, switches branches, is collected and checked`,
    script: `${makeFiles}
git init -q -b main origin; files 40 ${each} origin/tree; git -C origin add -A; git -C origin commit -q -m first
git clone -q --no-local origin left; cd left
git switch -q -c other; for i in $(seq 1 20); do git mv tree/d$i/f1 tree/d$i/renamed; echo more >> tree/d$i/f2; done
git commit -q -a -m second; git switch -q main; git switch -q other; git switch -q -
git merge -q --no-ff -m merge other; git stash list; git gc -q --prune=now; git fsck --strict --full --no-progress
git status --porcelain; git log --format='%H %s'; git ls-files | wc -l; cd ..; rm -rf origin left/.git`,
  },
];

/** Everything below `left/`: type, mode, owner, size, target and content. */
function treeOf(folder: string): string {
  return run(
    "sh",
    "-c",
    `cd "$1/left" && find . ! -type d -printf '%p %y %m %U:%G %s %n %l\\n' -o -printf '%p %y %m %U:%G\\n' | sort && find . -type f -print0 | sort -z | xargs -0r sha256sum`,
    "tree",
    folder,
  );
}

function perform(
  script: string,
  folder: string,
): { readonly printed: string; readonly tree: string } {
  const printed = execFileSync("bash", ["-euo", "pipefail", "-c", `umask 022\n${script}`], {
    cwd: folder,
    env: { ...environment, HOME: join(folder, "home") },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1 << 26,
  });
  return { printed: printed.replaceAll(folder, "<here>"), tree: treeOf(folder) };
}

describe("programs on the mount, as on a local disk", function () {
  this.timeout(3_600_000);

  for (const { title, script, prints } of workloads) {
    it(title, () => {
      using scratch = scratchDirectory();
      if (prints !== undefined) {
        assert.equal(perform(script, scratch.path).printed, prints);
        return;
      }
      const local = mkdtempSync(join(process.env["LOCAL"] ?? "/var/tmp", "workload-"));
      try {
        const expected = perform(script, local);
        const found = perform(script, scratch.path);
        assert.equal(found.printed, expected.printed);
        assert.equal(found.tree, expected.tree);
      } finally {
        rmSync(local, { recursive: true });
      }
    });
  }
});
