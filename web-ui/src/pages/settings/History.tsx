import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";

import { api, asking, type Schemas } from "../../api/client";
import { useWords } from "../../i18n";
import { useAct, useSay } from "../../parts/Said";
import { Versions } from "../../parts/Versions";
import { words } from "./words";

const PAGE = 20;

export function SettingsHistory() {
  const w = useWords(words);
  const say = useSay();
  const queries = useQueryClient();
  const found = useInfiniteQuery({
    queryKey: ["settings-history"],
    initialPageParam: 0,
    queryFn: ({ pageParam }) => api<Schemas["Versions"]>("GET", asking("/settings/history", { before: pageParam || undefined, limit: PAGE })),
    getNextPageParam: (page) => (page.versions.length === PAGE ? page.versions.at(-1)?.id : undefined),
  });
  const undo = useAct((version: number) => api<Schemas["SettingsChange"]>("POST", "/settings/undo", { to: version }), async ({ changed, restart_needed: restart }) => {
    await queries.invalidateQueries();
    if (restart.length) say(w.restart.replace("{what}", restart.join(", ")));
    return changed ? w.savedSaid : w.sameSaid;
  });
  return <Versions path="/settings" rows={found.data?.pages.flatMap((p) => p.versions) ?? []} asked={found} undo={undo} w={w} />;
}
