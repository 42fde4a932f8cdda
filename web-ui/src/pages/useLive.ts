import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import type { Status } from "../api/client";

/** Puts the node's events into the cache under ["status"]. While there is no stream the page asks by itself. */
export function useLive(): "opening" | "live" | "lost" {
  const queries = useQueryClient();
  const [live, setLive] = useState<"opening" | "live" | "lost">("opening");
  useEffect(() => {
    let source: EventSource | undefined;
    let again: ReturnType<typeof setTimeout> | undefined;
    const open = () => {
      source = new EventSource("/api/v1/live");
      source.addEventListener("open", () => setLive("live"));
      source.addEventListener("status", (event: MessageEvent<string>) => {
        queries.setQueryData(["status"], JSON.parse(event.data) as Status);
      });
      source.addEventListener("error", () => {
        setLive("lost");
        // A refusal (the login ended, too many pages) closes for good; who is logged in is asked again.
        if (source?.readyState !== EventSource.CLOSED) return;
        void queries.invalidateQueries({ queryKey: ["session"] });
        again = setTimeout(open, 15_000);
      });
    };
    open();
    return () => {
      source?.close();
      clearTimeout(again);
    };
  }, [queries]);
  return live;
}
