import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";

/** How the cluster's API is reached. */
export interface ApiOptions {
  /** `https://host:port` without a path. */
  readonly url: string;
  /** Folder with `token` and `ca.crt` of the pod's service account; both are read anew for each request. */
  readonly serviceAccount: string;
}

/** An answer: any status, and the JSON that came with it. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

const timeoutMs = 10_000;
const maxAnswerBytes = 1 << 20;

/** The cluster's API, as far as the driver needs it: JSON requests with the pod's own token. */
export class ClusterApi {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /** Sends one request. Rejects when there is no answer within 10 s, or none in JSON. */
  send(
    method: "GET" | "POST" | "PATCH",
    path: string,
    body?: Readonly<Record<string, unknown>>,
  ): Promise<ApiAnswer> {
    const { url, serviceAccount } = this.#options;
    const isSecure = url.startsWith("https:");
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const request = (isSecure ? httpsRequest : httpRequest)(
        new URL(path, url),
        {
          method,
          ...(isSecure ? { ca: readFileSync(join(serviceAccount, "ca.crt")) } : {}),
          headers: {
            authorization: `Bearer ${readFileSync(join(serviceAccount, "token"), "utf8").trim()}`,
            accept: "application/json",
            ...(text === undefined
              ? {}
              : {
                  "content-type":
                    method === "PATCH" ? "application/merge-patch+json" : "application/json",
                  "content-length": Buffer.byteLength(text),
                }),
          },
          signal: AbortSignal.timeout(timeoutMs),
        },
        (answer) => {
          let received = "";
          answer.setEncoding("utf8");
          answer.on("data", (chunk: string) => {
            received += chunk;
            if (received.length > maxAnswerBytes)
              answer.destroy(new Error("The answer is too long"));
          });
          answer.on("error", reject);
          answer.on("end", () => {
            try {
              const json: unknown = received === "" ? undefined : JSON.parse(received);
              resolve({ status: answer.statusCode ?? 0, body: json });
            } catch (cause) {
              reject(new Error(`${method} ${path} was not answered in JSON`, { cause }));
            }
          });
        },
      );
      request.on("error", reject);
      request.end(text);
    });
  }
}
