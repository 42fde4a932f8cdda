import { useQuery, useQueryClient } from "@tanstack/react-query";

import { api, type Schemas } from "../../api/client";
import { useWords } from "../../i18n";
import { useAct } from "../../parts/Said";
import { Versions } from "../../parts/Versions";
import { words } from "./words";

/** The versions of the settings in which rules or lists changed. */
export function History() {
  const w = useWords(words);
  const queries = useQueryClient();
  const found = useQuery({ queryKey: ["policy-history"], queryFn: () => api<Schemas["Versions"]>("GET", "/policy/history") });
  const undo = useAct((version: number) => api<Schemas["SettingsChange"]>("POST", "/policy/undo", { to: version }), async ({ changed }) => {
    await queries.invalidateQueries();
    return changed ? w.saved : w.sameSaid;
  });
  return <Versions path="/policy" rows={found.data?.versions ?? []} asked={found} undo={undo} w={{ ...w, what: w.message }} />;
}
