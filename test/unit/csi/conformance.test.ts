import { csiConformance } from "../../sanity/conformance.ts";
import { FakeWorld, startFakeDriver } from "../../support/fake-driver.ts";

// biome-ignore lint/suspicious/noTemplateCurlyInString: a template of ours, not JavaScript's
for (const parameters of [{}, { bucket: "team-data", prefix: "vols/${pv.name}" }]) {
  const where = Object.keys(parameters).length === 0 ? "a bucket each" : "prefixes of a bucket";
  describe(`The driver over fakes, volumes in ${where}`, () => {
    let close: () => Promise<void>;
    csiConformance(
      async () => {
        const world = new FakeWorld();
        world.buckets.put("team-data", "other/file", "not ours");
        const driver = await startFakeDriver(world);
        close = driver.close;
        return {
          client: driver.client,
          parameters,
          stagingPath: "/csi-staging",
          targetPath: "/csi-mount/target",
          otherTargetPath: "/csi-mount/other_target",
          exists: (path) => Promise.resolve(world.mounter.directories.has(path)),
        };
      },
      () => close(),
    );
  });
}
