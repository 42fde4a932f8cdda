import { Alert, AlertActionCloseButton, AlertGroup } from "@patternfly/react-core";
import { useMutation, type UseMutationResult } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from "react";

import { Refused } from "../api/client";
import { useTongue } from "../i18n";

interface Said { id: number; good: boolean; text: string }
type Say = (text: string, good?: "bad") => void;

const Context = createContext<Say>(() => undefined);
/** More at a time would cover the page. */
const SHOWN = 4;

/** Short messages at the corner, read out by screen readers: what was done, or why not. */
export function SaidProvider({ children }: { children: ReactNode }) {
  const { words } = useTongue();
  const [said, setSaid] = useState<Said[]>([]);
  const last = useRef(0);
  const say = useCallback<Say>((text, bad) => {
    last.current += 1;
    const one = { id: last.current, good: bad === undefined, text };
    setSaid((old) => [...old, one].slice(-SHOWN));
  }, []);
  const away = useCallback((id: number) => setSaid((old) => old.filter((s) => s.id !== id)), []);
  const group = useMemo(() => (
    <AlertGroup isToast isLiveRegion>
      {said.map(({ id, good, text }) => (
        <Alert component="p" key={id} variant={good ? "success" : "danger"} title={text} timeout={good ? 6000 : false} onTimeout={() => away(id)}
          actionClose={<AlertActionCloseButton title={words.close} onClose={() => away(id)} />} />
      ))}
    </AlertGroup>
  ), [said, away, words]);
  return <Context value={say}>{children}{group}</Context>;
}

export function useSay(): Say {
  return useContext(Context);
}

/** Does something at the node and says how it went. `done`: what is said, and what is to be loaded anew. `failures`: a form that shows by itself why it was refused does not have it said, too. */
export function useAct<V, R>(act: (value: V) => Promise<R>, done: (result: R, value: V) => string | void | Promise<string | void>, failures: "said" | "shown" = "said"): UseMutationResult<R, Error, V> {
  const { words } = useTongue();
  const say = useSay();
  const why = (error: Error) => {
    if (!(error instanceof Refused)) return words.unreachable;
    const more = error.faults.filter((f) => !error.message.includes(f.message)).map((f) => `${f.path}: ${f.message}`);
    return [error.message, ...more].join(" ");
  };
  return useMutation<R, Error, V>({
    mutationFn: act,
    onSuccess: async (result, value) => {
      const text = await done(result, value);
      if (text) say(text);
    },
    onError: (error) => failures === "said" && say(why(error), "bad"),
  });
}
