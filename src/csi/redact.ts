const hidden = "(redacted)";

// CSI spec, Secrets: these fields never reach a log. Tokens arrive in the context until Kubernetes 1.35.
const secretFields = new Set(["secrets"]);
const secretKeys = new Set(["csi.storage.k8s.io/serviceAccount.tokens"]);

/**
 * A copy of a decoded CSI message that may be logged: values of every `secrets` map, service account
 * tokens and user information inside a URL are replaced. It works on fields, at any depth, never on
 * serialised text, so that no quoting can hide a secret; the keys of a secret map stay readable.
 */
export function redact(message: unknown): unknown {
  if (typeof message === "string") return message.replace(/\/\/[^/@\s]*@/g, `//${hidden}@`);
  if (typeof message !== "object" || message === null) return message;
  if (Array.isArray(message)) return message.map(redact);
  return Object.fromEntries(
    Object.entries(message).map(([key, value]) => {
      if (secretKeys.has(key)) return [key, hidden];
      if (!secretFields.has(key)) return [key, redact(value)];
      return [key, Object.fromEntries(Object.keys(value ?? {}).map((name) => [name, hidden]))];
    }),
  );
}
