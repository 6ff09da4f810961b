import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chart, type Run, run } from "./support.ts";

const driver = "s3files.csi.dev";

const volume = (name: string, claim: string, by = driver) => ({
  metadata: { name },
  spec: { csi: { driver: by }, claimRef: { namespace: "shop", name: claim } },
});

const pod = (name: string, volumes: readonly object[], phase = "Running") => ({
  metadata: { name, namespace: "shop" },
  spec: { nodeName: "node-1", volumes },
  status: { phase },
});

const claimed = (claimName: string) => ({ name: "data", persistentVolumeClaim: { claimName } });

describe("the hook before an uninstall", () => {
  const folder = mkdtempSync(join(tmpdir(), "s3files-uninstall-"));
  const token = join(folder, "token");
  let api: Server;
  let answers: Readonly<Record<string, { readonly status: number; readonly body: object }>>;

  before(async () => {
    writeFileSync(token, "secret-token\n");
    api = createServer((request, response) => {
      const authorized = request.headers.authorization === "Bearer secret-token";
      const found = authorized ? answers[request.url ?? ""] : undefined;
      response.writeHead(found?.status ?? 404, { "content-type": "application/json" });
      response.end(JSON.stringify(found?.body ?? { message: `nothing at ${request.url}` }));
    });
    api.listen(0, "127.0.0.1");
    await once(api, "listening");
  });
  after(() => {
    api.close();
    rmSync(folder, { recursive: true });
  });

  const script = join(chart, "files/refuse-uninstall.mts");
  const environment = () => ({
    API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
    KUBERNETES_SERVICE_HOST: "127.0.0.1",
    TOKEN_FILE: token,
    DRIVER: driver,
    RELEASE: "s3files",
    NAMESPACE: "storage",
  });
  const hook = (): Promise<Run> => run(process.execPath, [script], environment());

  const page = (items: readonly object[], next?: string) => ({
    status: 200,
    body: { items, metadata: next === undefined ? {} : { continue: next } },
  });

  it("refuses while pods use volumes of the driver, and lists them from all pages", async () => {
    answers = {
      "/api/v1/persistentvolumes?limit=500": page(
        [volume("pv-1", "orders"), volume("pv-2", "other", "another.csi.dev")],
        "a/b",
      ),
      "/api/v1/persistentvolumes?limit=500&continue=a%2Fb": page([volume("pv-3", "web-0-scratch")]),
      "/api/v1/pods?limit=500": page([
        pod("web-0", [claimed("orders"), { name: "scratch", ephemeral: {} }]),
        pod("db", [claimed("other")]),
        pod("done", [claimed("orders")], "Succeeded"),
        pod("plain", [{ name: "tmp", emptyDir: {} }]),
      ]),
    };
    const { status, stdout } = await hook();
    assert.equal(status, 1);
    const lines = stdout.split("\n");
    assert.deepEqual(lines.slice(0, 3), [
      "Uninstall refused: 2 volumes of s3files.csi.dev are in use.",
      "shop/web-0 on node node-1: claim orders, volume pv-1",
      "shop/web-0 on node node-1: claim web-0-scratch, volume pv-3",
    ]);
    assert.ok(stdout.includes("helm uninstall s3files --namespace storage --no-hooks"));
  });

  it("lets the uninstall go on when no pod uses a volume", async () => {
    answers = {
      "/api/v1/persistentvolumes?limit=500": page([volume("pv-1", "orders")]),
      "/api/v1/pods?limit=500": page([pod("done", [claimed("orders")], "Failed")]),
    };
    assert.deepEqual(await hook().then(({ status, stdout }) => [status, stdout]), [
      0,
      "No pod uses a volume of s3files.csi.dev\n",
    ]);
  });

  it("refuses when the cluster's API does not answer, and says where it asked", async () => {
    const { status, stderr } = await run(process.execPath, [script], {
      ...environment(),
      API_URL: "http://127.0.0.1:1",
    });
    assert.equal(status, 1);
    assert.match(stderr, /no answer of the cluster's API at http:\/\/127\.0\.0\.1:1/);
  });

  it("refuses when the cluster does not let it look, and keeps its token to itself", async () => {
    answers = {
      "/api/v1/persistentvolumes?limit=500": { status: 403, body: { message: "forbidden" } },
    };
    const { status, stdout, stderr } = await hook();
    assert.equal(status, 1);
    assert.match(stderr, /GET \/api\/v1\/persistentvolumes: status 403/);
    assert.ok(!`${stdout}${stderr}`.includes("secret-token"));
  });
});
