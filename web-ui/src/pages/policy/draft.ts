// Rules as they are edited: the settings' own form, changed in place by paths, and said in words.
import { tidy, type Schema } from "../settings/schema";

export type Values = Record<string, unknown>;
export interface Rule extends Values { name: string; comment: string; enabled: boolean; who: Values; what: Values; when: Values; unless: Values; action: Values }
export interface Policy extends Values { rules: Rule[]; lists: Values[] }

/** `values` with another value at a path of plain keys. */
export function put<V extends Values>(values: V, path: string, value: unknown): V {
  const [key = "", ...rest] = path.split(".");
  return { ...values, [key]: rest.length ? put((values[key] ?? {}) as Values, rest.join("."), value) : value };
}

export function moved<T>(all: T[], from: number, to: number): T[] {
  const next = [...all];
  const [one] = next.splice(from, 1);
  if (one !== undefined) next.splice(to, 0, one);
  return next;
}

/** A name that no rule has yet. */
export function fresh(names: string[], make: (n: number) => string): string {
  const taken = new Set(names.map((n) => n.toLowerCase()));
  for (let n = 1; ; n += 1) if (!taken.has(make(n).toLowerCase())) return make(n);
}

/** What is set in a part of a rule, as `senders: a, b`. */
export function said(value: unknown): string[] {
  return Object.entries((value ?? {}) as Values).flatMap(([name, of]) => {
    if (of === null || of === false || of === undefined || of === "" || (Array.isArray(of) && !of.length)) return [];
    if (typeof of === "object" && !Array.isArray(of)) return said(of);
    const plain = name.replaceAll("_", " ");
    return [of === true ? plain : `${plain}: ${Array.isArray(of) ? of.join(", ") : String(of)}`];
  });
}

/** As it is sent: nulls and what is the default anyway are left out, so that the file stays short. */
export function sent(policy: Policy, schema: Schema, root: Schema): Values {
  const rules = tidy(policy.rules, schema.properties?.rules ?? {}, root);
  const lists = tidy(policy.lists, schema.properties?.lists ?? {}, root);
  return { ...policy, rules: (rules as Values[]).map(bare), lists };
}

/** Without nulls, empty lists and empty tables. */
function bare(value: unknown): Values {
  return Object.fromEntries(Object.entries(value as Values).flatMap(([key, of]) => {
    if (of === null || of === undefined || (Array.isArray(of) && !of.length)) return [];
    if (typeof of !== "object" || Array.isArray(of)) return [[key, of]];
    const inner = bare(of);
    return Object.keys(inner).length ? [[key, inner]] : [];
  }));
}
