// kubernetes-schemas.mjs <swagger.json of a Kubernetes release> <folder>: writes a strict JSON schema for each kind,
// as <kind>-<group>-<version>.json, the names that kubeconform looks for. Every schema refuses unknown fields.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [source, folder] = process.argv.slice(2);
if (source === undefined || folder === undefined) {
  throw new Error("usage: kubernetes-schemas.mjs SWAGGER FOLDER");
}
const { definitions } = JSON.parse(readFileSync(source, "utf8"));

const prefix = "#/definitions/";
const intOrString = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/** A definition as JSON schema: no descriptions, no unknown fields, numbers where Kubernetes takes both. */
function strict(schema) {
  if (typeof schema.$ref === "string") return { $ref: schema.$ref };
  const { type, properties, required, items, additionalProperties, enum: words } = schema;
  const made = {};
  if (type !== undefined) made.type = type;
  if (words !== undefined) made.enum = words;
  if (required !== undefined) made.required = required;
  if (items !== undefined) made.items = strict(items);
  if (additionalProperties !== undefined) made.additionalProperties = strict(additionalProperties);
  if (properties !== undefined) {
    made.properties = Object.fromEntries(
      Object.entries(properties).map(([name, value]) => [name, strict(value)]),
    );
    if (additionalProperties === undefined) made.additionalProperties = false;
  }
  return made;
}

function definition(name) {
  if (name === intOrString || name === quantity) return { type: ["string", "integer", "number"] };
  return strict(definitions[name]);
}

/** The definition with all that it refers to, directly or not. */
function closure(name) {
  const found = {};
  const visit = (one) => {
    if (found[one] !== undefined) return;
    found[one] = definition(one);
    JSON.stringify(found[one], (key, value) => {
      if (key === "$ref" && typeof value === "string") visit(value.slice(prefix.length));
      return value;
    });
  };
  visit(name);
  return found;
}

const partial = `${folder}.partial`;
rmSync(partial, { recursive: true, force: true });
mkdirSync(partial, { recursive: true });
for (const [name, { "x-kubernetes-group-version-kind": kinds }] of Object.entries(definitions)) {
  if (kinds?.length !== 1) continue;
  const [{ group, version, kind }] = kinds;
  const schema = { $ref: `${prefix}${name}`, definitions: closure(name) };
  const { properties } = schema.definitions[name];
  if (properties?.apiVersion === undefined) continue;
  properties.apiVersion = { enum: [group === "" ? version : `${group}/${version}`] };
  properties.kind = { enum: [kind] };
  const first = group.split(".")[0];
  const file = [kind, ...(first === "" ? [] : [first]), version].join("-").toLowerCase();
  writeFileSync(join(partial, `${file}.json`), JSON.stringify(schema));
}
renameSync(partial, folder);
