// What the one who is logged in may ask: the node says it with the login, by the same table that it refuses by.
import { useQuery } from "@tanstack/react-query";
import type { paths } from "api-schema";

import { session } from "./client";

type Method = "get" | "put" | "post" | "patch" | "delete";
type Bare<P> = P extends `/api/v1${infer R}` ? R : P;

/** As in "GET /quarantine/{mail}". */
export type Operation = { [P in keyof paths & string]: { [M in Method]: paths[P] extends Record<M, object> ? `${Uppercase<M>} ${Bare<P>}` : never }[Method] }[keyof paths & string];

export function useMay(): (ask: Operation) => boolean {
  const { data } = useQuery({ queryKey: ["session"], queryFn: session, staleTime: Infinity });
  return (ask) => data?.may.includes(ask) ?? false;
}
