import { useQuery } from "@tanstack/react-query";

import { api } from "./client";
import { useMay } from "./may";
import type { Cluster } from "./shapes";

/** The cluster as this node sees it; all pages ask the same. */
export function useCluster(every?: number) {
  const may = useMay();
  return useQuery({ queryKey: ["cluster"], queryFn: () => api<Cluster>("GET", "/cluster"), refetchInterval: every ?? false, enabled: may("GET /cluster") });
}

/** From a node's id to its name; an id that is not known (any more) is shortened. */
export function useNodeNames(): (id: string | null | undefined) => string | null {
  const cluster = useCluster();
  return (id) => (id ? cluster.data?.members.find((m) => m.id === id)?.name ?? id.slice(0, 8) : null);
}
