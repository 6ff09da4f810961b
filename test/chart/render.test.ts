import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArguments } from "../../src/cli/arguments.ts";
import { commands } from "../../src/cli/commands.ts";
import { parseConfig } from "../../src/cli/config.ts";
import { parseParameters } from "../../src/csi/parameters.ts";
import {
  type KubernetesObject,
  objectsOf,
  podSpecOf,
  render,
  root,
  run,
  valueSets,
} from "./support.ts";

/** The manifests among the examples; the rest are values for helm. */
const exampleFiles = readdirSync(join(root, "examples"))
  .filter((file) => file.endsWith(".yaml") && !file.endsWith(".values.yaml"))
  .map((file) => join("examples", file));

const secretsOf = (namespace: string, names: readonly string[]) => ({
  [`${namespace}/s3files-csi-driver-controller-secrets`]: [`secrets[${names}]: get`],
});

/** Every permission that the chart asks for. */
const permissions: Readonly<Record<string, readonly string[]>> = {
  "s3files-csi-driver-controller": [
    "persistentvolumes: get list watch create patch delete",
    "persistentvolumeclaims: get list watch update",
    "storage.k8s.io/storageclasses: get list watch",
    "events: create patch",
  ],
  "s3files/s3files-csi-driver-controller": ["coordination.k8s.io/leases: get create update"],
  "s3files-csi-driver-node": [
    "events: create patch",
    "persistentvolumeclaims: get",
    "persistentvolumes: get",
  ],
  "s3files-csi-driver-uninstall": ["persistentvolumes: list", "pods: list"],
};

function permissionsOf(objects: readonly KubernetesObject[]): Record<string, string[]> {
  return Object.fromEntries(
    objects.flatMap(({ kind, metadata, rules = [] }) => {
      if (kind !== "ClusterRole" && kind !== "Role") return [];
      const name = kind === "Role" ? `${metadata.namespace}/${metadata.name}` : metadata.name;
      const lines = rules.flatMap(({ apiGroups = [], resources = [], resourceNames, verbs = [] }) =>
        apiGroups.flatMap((group) =>
          resources.map((resource) => {
            const names = resourceNames === undefined ? "" : `[${resourceNames}]`;
            return `${group === "" ? "" : `${group}/`}${resource}${names}: ${verbs.join(" ")}`;
          }),
        ),
      );
      return [[name, lines]];
    }),
  );
}

describe("the chart's renderings", () => {
  const folder = mkdtempSync(join(tmpdir(), "s3files-chart-"));
  const rendered: Record<string, KubernetesObject[]> = {};

  before(async () => {
    const { status, stderr } = await run("scripts/render-chart.sh", [folder]);
    assert.equal(status, 0, stderr);
    for (const name of Object.keys(valueSets)) {
      rendered[name] = await objectsOf(join(folder, `test/chart/golden/${name}.yaml`));
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  const ownContainers = () =>
    Object.values(rendered)
      .flat()
      .flatMap((object) => podSpecOf(object)?.containers ?? [])
      .filter(({ image }) => image.includes("s3files-csi-driver"));

  it("are those in deploy/ and test/chart/golden; `make deploy` brings them up to date", () => {
    for (const part of ["deploy", "test/chart/golden"]) {
      for (const file of readdirSync(join(folder, part))) {
        const path = join(part, file);
        assert.equal(
          readFileSync(join(root, path), "utf8"),
          readFileSync(join(folder, path), "utf8"),
        );
      }
    }
  });

  for (const release of ["v1.31.0", "v1.36.1"]) {
    it(`hold nothing that Kubernetes ${release} does not know`, async () => {
      const paths: string[] = [];
      for (const [name, values] of Object.entries(valueSets)) {
        const path = join(folder, `${name}-${release}.yaml`);
        writeFileSync(path, (await render("--values", values, "--kube-version", release)).stdout);
        paths.push(path);
      }
      const schemas = `build/kubernetes-schemas/${release}/{{.ResourceKind}}{{.KindSuffix}}.json`;
      const options = [
        "-strict",
        "-summary",
        "-skip",
        "ServiceMonitor",
        "-schema-location",
        schemas,
      ];

      const { status, stdout } = await run("kubeconform", [
        ...options,
        ...paths,
        "deploy",
        ...exampleFiles,
      ]);
      assert.equal(status, 0, stdout);
      // The three ServiceMonitors, which are no part of Kubernetes.
      assert.match(stdout, /Skipped: 3$/m);
    });
  }

  it("ask for exactly the listed permissions", () => {
    const expected: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
      default: permissions,
      monitored: permissions,
      store: { ...permissions, ...secretsOf("team-a", ["team-a-keys"]) },
    };
    for (const [name, wanted] of Object.entries(expected)) {
      assert.deepEqual(permissionsOf(rendered[name] ?? []), wanted);
    }
    // With uninstall.force there is no hook, and nothing for it.
    const { "s3files-csi-driver-uninstall": _, ...rest } = permissions;
    assert.deepEqual(permissionsOf(rendered["trial"] ?? []), rest);
  });

  it("start every process with options that its command knows", async () => {
    let started = 0;
    for (const { args = [], command } of ownContainers()) {
      if (command !== undefined && command.at(-1) !== "s3files") continue;
      const [name = "", ...options] = args;
      const row = commands[name];
      assert.ok(row !== undefined, `no command ${name}`);
      parseArguments(await row.load(), options);
      started++;
    }
    assert.equal(started, 4 * 3 + 1);
  });

  it("give every process a configuration that it reads", () => {
    const read = Object.entries(rendered).map(([name, objects]) => {
      const config = objects.find(({ data }) => data?.["config.json"] !== undefined);
      const path = join(folder, `${name}.json`);
      writeFileSync(path, config?.data?.["config.json"] ?? "");
      return [name, parseConfig({}, { file: path })] as const;
    });
    assert.deepEqual(Object.fromEntries(read)["store"]?.connection, {
      endpoint: "https://minio.example.com:9000",
      region: "eu-central-1",
      forcePathStyle: true,
      caBundle: "/etc/s3files/ca-default.crt",
      credentialsFile: "/etc/s3files-credentials/default/credentials.json",
    });
    assert.equal(
      Object.fromEntries(read)["trial"]?.connection.endpoint,
      "http://s3files-csi-driver-dev-s3.s3files.svc:9000",
    );
  });

  it("have no privileged container but node plugin and mounter", () => {
    for (const objects of Object.values(rendered)) {
      for (const object of objects) {
        const pod = podSpecOf(object);
        if (pod === undefined) continue;
        for (const { name, securityContext = {} } of pod.containers) {
          const where = `${object.metadata.name}/${name}`;
          const { privileged, capabilities } = securityContext;
          const expected = /-(node|mounter)\/s3files$/.test(where);
          assert.equal(privileged === true, expected, where);
          assert.equal(securityContext["readOnlyRootFilesystem"], true, where);
          if (!expected) assert.deepEqual(capabilities, { drop: ["ALL"] }, where);
        }
        for (const shared of ["hostNetwork", "hostPID", "hostIPC"]) {
          assert.equal(pod[shared], undefined, `${object.metadata.name}: ${shared}`);
        }
      }
    }
  });

  it("keep controller, hook and dev-s3 within the restricted standard", () => {
    const restricted = Object.values(rendered)
      .flat()
      .filter(({ metadata }) => /-(controller|uninstall|dev-s3)$/.test(metadata.name))
      .flatMap((object) => podSpecOf(object) ?? []);
    assert.equal(restricted.length, 4 + 3 + 1);
    for (const { securityContext, containers, volumes = [] } of restricted) {
      assert.equal(securityContext?.["runAsNonRoot"], true);
      assert.deepEqual(securityContext?.["seccompProfile"], { type: "RuntimeDefault" });
      assert.ok(volumes.every(({ hostPath }) => hostPath === undefined));
      for (const container of containers) {
        assert.equal(container.securityContext?.["allowPrivilegeEscalation"], false);
      }
    }
  });

  it("have StorageClasses, and the examples volumes, whose parameters the driver knows", async () => {
    let known = 0;
    const examples: KubernetesObject[] = [];
    for (const file of exampleFiles) examples.push(...(await objectsOf(join(root, file))));
    for (const { kind, parameters = {}, spec } of [
      ...Object.values(rendered).flat(),
      ...examples,
    ]) {
      if (kind === "StorageClass") parseParameters(parameters, "class");
      else if (kind === "PersistentVolume") {
        const { driver, volumeAttributes = {} } = (spec?.["csi"] ?? {}) as {
          readonly driver?: string;
          readonly volumeAttributes?: Readonly<Record<string, string>>;
        };
        assert.equal(driver, "s3files.csi.dev");
        parseParameters(volumeAttributes, "volume");
      } else continue;
      known++;
    }
    assert.ok(known >= 8, `only ${known} objects with parameters`);
  });
});
