// The texts of YARA rules in the settings, read and written.
import { useQueryClient } from "@tanstack/react-query";

import { api, Refused, type Schemas } from "../../api/client";
import { same } from "../settings/schema";

export interface RuleText { name: string; text: string }
export type SettingsView = Schemas["SettingsView"];

export const load = () => api<SettingsView>("GET", "/settings");
export const textsOf = (view: SettingsView) => (view.settings as unknown as { sandbox: { rules: RuleText[] } }).sandbox.rules;

/** Puts texts in the place of those of `base`. What somebody else made of them since is not overwritten; another setting is no hindrance. */
export async function put(base: SettingsView, texts: RuleText[]): Promise<Schemas["SettingsChange"]> {
  const change = (digest: string) => api<Schemas["SettingsChange"]>("PATCH", "/settings", { path: "sandbox.rules", value: texts }, { "if-match": `"${digest}"` });
  try {
    return await change(base.digest);
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 412) throw error;
    const present = await load();
    if (!same(textsOf(present), textsOf(base))) throw error;
    return change(present.digest);
  }
}

/** The texts changed, or somebody has changed them. */
export function useLoadAnew() {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ predicate: (q) => ["sandbox-rules", "settings", "settings-history", "cluster-history"].includes(String(q.queryKey[0])) });
}
