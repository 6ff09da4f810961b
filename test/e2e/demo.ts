/**
 * `make demo`: a claim becomes a bucket, and a pod's bytes become objects, through the Linux NFS client; on a machine
 * whose kernel has none, in a User Mode Linux. At its end, and after an interrupt at any point, nothing is left.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as after } from "node:timers/promises";
import type { ProvisionedVolume } from "../support/csi-client.ts";
import { type DevS3Process, startDevS3Process } from "../support/dev-s3-process.ts";
import { GuestDriver } from "../support/guest-driver.ts";
import { guestTag } from "../support/guest-leftovers.ts";
import { NetworkS3 } from "../support/network-s3.ts";
import { assertSameDigests, fileDigests, objectDigests } from "../support/objects-and-files.ts";
import { bootGuest, type UmlGuest } from "../support/uml.ts";

const began = performance.now();
let steps = 0;

function step(title: string): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(0).padStart(3);
  process.stdout.write(`\n[${seconds} s] ${++steps}. ${title}\n`);
}

function say(text: string): void {
  for (const line of text.trimEnd().split("\n")) process.stdout.write(`         ${line}\n`);
}

/** A volume of the demo, from its claim to its mount. */
interface DemoVolume {
  readonly name: string;
  readonly cacheMode: string;
  readonly volume: ProvisionedVolume;
  readonly bucket: string;
  mount: string;
}

class Demo {
  readonly #guest: UmlGuest;
  readonly #devS3: DevS3Process;
  readonly #s3: NetworkS3;
  readonly #driver: GuestDriver;
  readonly #volumes: DemoVolume[] = [];

  constructor(guest: UmlGuest, devS3: DevS3Process, s3: NetworkS3, driver: GuestDriver) {
    this.#guest = guest;
    this.#devS3 = devS3;
    this.#s3 = s3;
    this.#driver = driver;
  }

  async createVolumes(): Promise<void> {
    step("CreateVolume, as Kubernetes' provisioner calls it for a claim: a bucket per volume");
    for (const [name, cacheMode] of [
      ["demo-full", "full"],
      ["demo-metadata", "metadata-only"],
    ] as const) {
      const parameters = { cacheMode, writeBackDelay: "60s", revalidateAfter: "1s" };
      const volume = await this.#driver.provision(name, parameters);
      const bucket = volume.volumeContext["bucket"] ?? "";
      say(`${name}: cacheMode ${cacheMode}, bucket ${bucket}`);
      this.#volumes.push({ name, cacheMode, volume, bucket, mount: "" });
    }
    assert.deepEqual(await this.#s3.buckets(), this.#volumes.map(({ bucket }) => bucket).sort());
  }

  async mountVolumes(): Promise<void> {
    step(
      "NodeStageVolume and NodePublishVolume, as kubelet calls them for a pod: the kernel mounts both",
    );
    for (const it of this.#volumes) it.mount = await this.#driver.mount(it.volume, it.name);
    const lines = await this.#guest.check("grep ' nfs4 ' /proc/mounts");
    for (const { mount } of this.#volumes) {
      const line = lines.split("\n").find((found) => found.includes(` ${mount} `)) ?? "";
      assert.match(line, / nfs4 .*vers=4\.2,/);
      say(line);
    }
  }

  async useFiles(): Promise<void> {
    step("Files are written, edited in place, appended, renamed and locked");
    for (const { name, mount } of this.#volumes) {
      await this.#guest.check(`set -eu; cd ${mount}
mkdir -p reports/2026
echo 'a line of text' > reports/2026/note.txt
head -c 12000000 /dev/urandom > reports/large.bin
printf EDITED | dd of=reports/large.bin bs=1 seek=5000000 conv=notrunc status=none
echo 'an appended line' >> reports/2026/note.txt
echo draft > draft.txt; mv draft.txt final.txt
mv reports/2026 reports/done`);
      const locks = await this.#guest.check(`cd ${mount}
exec 9<> final.txt; flock -x 9; flock -n -x final.txt true && echo 'LOCKED TWICE' || echo refused; exec 9>&-
flock -n -x final.txt true && echo granted`);
      assert.equal(locks.trim(), "refused\ngranted");
      say(`${name}: a lock held by one process was refused to a second, and granted after its end`);
    }
    say(await this.#guest.check(`cd ${this.#volumes[0]?.mount} && ls -lR --time-style=+`));
  }

  async compareWithObjects(): Promise<void> {
    step("After a flush, a plain S3 client finds one object for each file, byte for byte");
    for (const { name, volume, bucket, mount } of this.#volumes) {
      await this.#driver.flush(volume.volumeId);
      const objects = await objectDigests(this.#s3, bucket);
      assertSameDigests(objects, await fileDigests(this.#guest, mount));
      say(`${name}: ${[...objects.keys()].join(", ")}: SHA-256 of each object equals its file's`);
    }
    const [first] = this.#volumes;
    const note = await this.#s3.get(first?.bucket ?? "", "reports/done/note.txt");
    say(`GET reports/done/note.txt: ${JSON.stringify(note.bytes.toString())}`);
    say(JSON.stringify(note.metadata));
  }

  async receiveObjects(): Promise<void> {
    step(
      "And vice versa: an object that an S3 client puts is a file; one that it replaces changes the file",
    );
    for (const { name, bucket, mount } of this.#volumes) {
      await this.#s3.put(bucket, "from-s3/hello.txt", Buffer.from("hello from S3\n"));
      await this.#s3.put(bucket, "final.txt", Buffer.from("replaced at S3\n"));
      const shown = await this.#guest.check(
        `cd ${mount}; for i in $(seq 300); do
grep -qs 'hello from S3' from-s3/hello.txt && grep -q 'replaced at S3' final.txt && break; sleep 0.2; done
cat from-s3/hello.txt final.txt`,
      );
      assert.equal(shown, "hello from S3\nreplaced at S3");
      say(`${name}: ${shown.replace("\n", "; ")}`);
    }
  }

  async showCaches(): Promise<void> {
    step(
      "The cache on the node's disk: cacheMode full keeps file data, metadata-only keeps none of what S3 has",
    );
    const kept = new Map<string, number>();
    for (const { cacheMode, mount, volume } of this.#volumes) {
      await this.#guest.check(`cat ${mount}/reports/large.bin | wc -c`);
      const folder = (await this.#driver.volumes()).find(
        (v) => v.volumeId === volume.volumeId,
      )?.folder;
      const count = () => this.#guest.check(`du -sk ${folder}/state/data`);
      let kib = Number.parseInt(await count(), 10);
      // What has been exported is dropped within a second or two.
      for (let tries = 0; cacheMode !== "full" && kib > 1000 && tries < 20; tries++) {
        await after(500);
        kib = Number.parseInt(await count(), 10);
      }
      say(`${cacheMode}: ${kib} KiB of file data after reading 12 MB`);
      kept.set(cacheMode, kib);
    }
    assert.ok((kept.get("full") ?? 0) > 11_000 && (kept.get("metadata-only") ?? 1000) < 1000);
  }

  async killServer(): Promise<void> {
    step(
      "A server is killed with -9 in the middle of a write: the writer waits, and sees no error",
    );
    for (const { name, volume, bucket, mount } of this.#volumes) {
      const writing = this.#guest.start(
        `rm -f /tmp/stop; exec perl -e '${writer}' ${mount}/written`,
      );
      await this.#guest.check(`until [ -s ${mount}/written ]; do sleep 0.1; done`);
      const { pid, outstanding } = await this.#driver.killServer(volume.volumeId);
      say(`${name}: killed pid ${pid} with ${outstanding} changing request(s) under way`);
      await this.#driver.restarted(volume.volumeId, pid);
      await this.#guest.check("sleep 1; touch /tmp/stop");
      const { code, output } = await writing.done;
      assert.equal(code, 0, output);
      say(output);
      await this.#driver.flush(volume.volumeId);
      const written = (await this.#s3.get(bucket, "written")).bytes;
      const blocks = Number(/^(\d+) blocks/.exec(output)?.[1]);
      assert.equal(written.toString("latin1"), expectedBlocks(blocks));
      assertSameDigests(
        await objectDigests(this.#s3, bucket),
        await fileDigests(this.#guest, mount),
      );
      say("every block is in the file, and in the object");
    }
  }

  async removeVolumes(): Promise<void> {
    step("NodeUnpublishVolume, NodeUnstageVolume, DeleteVolume");
    for (const { name, volume } of this.#volumes) {
      await this.#driver.unmount(volume.volumeId, name);
      await this.#driver.deprovision(volume.volumeId);
      say(`${name}: gone`);
    }
  }

  async showNothingLeft(): Promise<void> {
    step("Nothing is left");
    assert.deepEqual(await this.#s3.buckets(), []);
    say("no bucket");
    const found = await this.#guest.check(
      `grep -e ' nfs4 ' -e s3files /proc/mounts | grep -v hostfs || true; ls /run/s3files/netns /var/lib/s3files/volumes /var/lib/s3files/node | grep -v : || true`,
    );
    assert.equal(found.trim(), "");
    say("no mount, no network namespace, no volume folder");
    await this.#driver.stop();
    const processes = await this.#guest.check(
      "ps -eo args | grep -E '[m]ain.[jt]s|[s]3files-launcher' || true",
    );
    assert.equal(processes, "");
    say("no process of the driver");
    await this.#devS3[Symbol.asyncDispose]();
  }
}

/** Writes blocks of 4 KiB, each synchronised, until /tmp/stop is there; says how many and how long the longest took. */
const writer = `use Fcntl; use Time::HiRes "time"; my ($n, $longest) = (0, 0);
sysopen(my $file, $ARGV[0], O_WRONLY | O_CREAT | O_SYNC) or die "open: $!\\n";
until (-e "/tmp/stop") { my $began = time;
(syswrite($file, sprintf("block %010d\\n", $n++) x 240) // 0) == 4080 or die "write: $!\\n";
my $took = time - $began; $longest = $took if $took > $longest; }
close($file) or die "close: $!\\n"; printf "%d blocks written without an error, the longest took %.1f s", $n, $longest;`;

function expectedBlocks(count: number): string {
  const block = (n: number) => `block ${String(n).padStart(10, "0")}\n`.repeat(240);
  return Array.from({ length: count }, (_, n) => block(n)).join("");
}

/** What this run still has on the machine, once it has cleaned up. */
function leftovers(): string[] {
  const here = String(process.pid);
  const processes = readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || pid === here) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(guestTag);
    } catch {
      return false; // It has ended meanwhile.
    }
  });
  const names = (folder: string) =>
    existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith(guestTag)) : [];
  return [
    ...processes.map((pid) => `process ${pid}`),
    ...names("/run/netns").map((name) => `network namespace ${name}`),
    ...names("build/guests").map((name) => `folder build/guests/${name}`),
    ...names("/dev/shm").map((name) => `/dev/shm/${name}`),
  ];
}

function reportEnd(code: number): void {
  // A killed process takes a moment to go.
  for (let tries = 0; leftovers().length > 0 && tries < 50; tries++) execFileSync("sleep", ["0.1"]);
  const left = leftovers();
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  if (left.length === 0)
    say(`\nthis machine: no process, namespace or file of the demo is left (${seconds} s)`);
  else process.stderr.write(`Left behind: ${left.join(", ")}\n`);
  if (code === 0 && left.length > 0) process.exitCode = 1;
}

async function main(): Promise<void> {
  process.once("exit", reportEnd);
  step("A machine with the Linux NFS client");
  await using guest = await bootGuest({ name: "demo", network: "tap", lifetimeSeconds: 600 });
  if (guest.network === undefined) throw new Error("The demo needs a guest with a network");
  const kernel = (await guest.check("uname -r")).trim();
  say(
    guest.kind === "uml"
      ? `User Mode Linux ${kernel}: this machine's root, read-only`
      : `this one: Linux ${kernel}`,
  );
  step("s3files dev-s3, the embedded S3");
  await using devS3 = await startDevS3Process(guest.network);
  await using s3 = await NetworkS3.start(guest.network, { serve: false });
  say(`answers at ${devS3.endpoint}, pid ${devS3.pid}`);
  step("The driver: s3files supervisor, node and controller");
  const driver = await GuestDriver.start(guest, { s3: s3.access });
  const processes = await guest.check("ps -eo pid,args");
  for (const [, pid, command] of processes.matchAll(/^ *(\d+) .*\/main\.[jt]s (\w+)/gm)) {
    say(`s3files ${command}, pid ${pid}`);
  }
  const demo = new Demo(guest, devS3, s3, driver);
  await demo.createVolumes();
  await demo.mountVolumes();
  await demo.useFiles();
  await demo.compareWithObjects();
  await demo.receiveObjects();
  await demo.showCaches();
  await demo.killServer();
  await demo.removeVolumes();
  await demo.showNothingLeft();
}

try {
  await main();
} catch (error) {
  // Ctrl-C may end a program that was run here before this process hears of it, and then says so itself.
  await after(100);
  throw error;
}
