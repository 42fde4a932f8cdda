import { useQueryClient } from "@tanstack/react-query";

import { api, asking, part, Refused } from "../../api/client";
import type { words } from "./words";

export interface End {
  what: "release" | "delete";
  /** And teach the classifier: a released mail is no spam, a deleted one is. */
  learn?: boolean;
}

const end = ({ what, learn }: End, mail: string) => {
  const also = { learn: learn || undefined };
  return what === "release" ? api("POST", asking(`/quarantine/${part(mail)}/release`, also)) : api("DELETE", asking(`/quarantine/${part(mail)}`, also));
};

/** What is asked before, and what is said after. */
export function wording(w: typeof words.en, { what, learn }: End) {
  const release = what === "release";
  const text = release ? w.releaseText : w.deleteText;
  return {
    ask: release ? w.releaseAsk : w.deleteAsk,
    text: learn ? `${text} ${release ? w.learnHamText : w.learnSpamText}` : text,
    button: learn ? (release ? w.releaseLearn : w.deleteLearn) : release ? w.release : w.delete,
    said: release ? w.releasedSaid : w.deletedSaid,
  };
}

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
