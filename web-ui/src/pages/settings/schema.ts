// What of JSON schema the settings use (schemars): references, oneOf of constants, objects, arrays, maps, scalars that may be null.

export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string | string[];
  description?: string;
  default?: unknown;
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  required?: string[];
  items?: Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  examples?: unknown[];
  minimum?: number;
  maximum?: number;
}

export interface Choice { value: string; about: string }

/** A schema without its reference: what stands beside a reference (description, default) goes before what it refers to. */
export function resolve(schema: Schema, root: Schema): Schema {
  const inner = schema.$ref ?? schema.anyOf?.find((s) => s.$ref)?.$ref;
  const name = inner?.replace("#/$defs/", "");
  const referred = name ? root.$defs?.[name] : undefined;
  if (!referred) return schema;
  const { $ref: _, anyOf: __, ...beside } = schema;
  return { ...resolve(referred, root), ...beside };
}

/** The words that a setting may have, when it may have only some. */
export function choices(schema: Schema): Choice[] | null {
  if (schema.enum) return schema.enum.map((value) => ({ value: String(value), about: "" }));
  if (!schema.oneOf) return null;
  const all = schema.oneOf.flatMap((one) => (one.const !== undefined ? [{ value: String(one.const), about: one.description ?? "" }] : (one.enum ?? []).map((v) => ({ value: String(v), about: one.description ?? "" }))));
  return all.length ? all : null;
}

export function kind(schema: Schema): "table" | "map" | "list" | "tables" | "choice" | "switch" | "number" | "text" | "other" {
  const types = ([] as string[]).concat(schema.type ?? []).filter((t) => t !== "null");
  if (schema.properties) return "table";
  if (choices(schema)) return "choice";
  if (types.includes("array")) return "list";
  if (types.includes("boolean")) return "switch";
  if (types.includes("integer") || types.includes("number")) return "number";
  if (types.includes("string")) return "text";
  if (types.includes("object")) return "map";
  return "other";
}

export function mayBeNull(schema: Schema): boolean {
  return Array.isArray(schema.type) && schema.type.includes("null") || (schema.anyOf?.some((s) => s.type === "null") ?? false);
}

/** A list of tables without what is the default anyway: the file stays as short as a person would write it. */
export function tidy(value: unknown, schema: Schema, root: Schema): unknown {
  const items = resolve(schema.items ?? {}, root);
  if (!Array.isArray(value) || !items.properties) return value;
  return value.map((row: unknown) => Object.fromEntries(Object.entries(row as Record<string, unknown>).flatMap(([key, of]) => {
    const inner = resolve(items.properties?.[key] ?? {}, root);
    const isUsual = of === null || (inner.default !== undefined && same(of, inner.default));
    return isUsual && !items.required?.includes(key) ? [] : [[key, tidy(of, inner, root)]];
  })));
}

/** The schema of a setting, by a path of plain keys. */
export function at(root: Schema, path: string): Schema {
  return path.split(".").reduce((schema, key) => resolve(schema.properties?.[key] ?? {}, root), root);
}

/** How a default is shown. */
export function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export const same = (a: unknown, b: unknown): boolean => sorted(a) === sorted(b);

/** Tables are equal whatever the order of their keys. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (inner && typeof inner === "object" && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner)) ?? "undefined";
}
