import { useQueryClient } from "@tanstack/react-query";

import { api, part, Refused } from "../../api/client";

export type End = "release" | "delete";

const end = (how: End, mail: string) => (how === "release" ? api("POST", `/quarantine/${part(mail)}/release`) : api("DELETE", `/quarantine/${part(mail)}`));

export interface Ended { done: number; failed: string[] }

/** Releases or deletes one after the other: the node does one at a time anyway, and what fails is named. */
export function useEnding(): (how: End, mails: readonly string[]) => Promise<Ended> {
  const queries = useQueryClient();
  return async (how, mails) => {
    const ended: Ended = { done: 0, failed: [] };
    for (const mail of mails) {
      try {
        await end(how, mail);
        ended.done += 1;
      } catch (error) {
        if (!(error instanceof Refused) || error.status === 401) throw error;
        ended.failed.push(error.message);
      }
    }
    // A mail's own view ("quarantined") is not asked for again: a look is an act of its own, and the mail may be gone.
    await queries.invalidateQueries({ predicate: (q) => ["quarantine", "journey", "status"].includes(String(q.queryKey[0])) });
    return ended;
  };
}
