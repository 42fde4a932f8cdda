// One way to the API: same origin, CSRF header on what changes, errors as the problems of RFC 9457.
import type { QueryClient } from "@tanstack/react-query";
import type { components } from "api-schema";

export type Schemas = components["schemas"];
export type Session = Schemas["SessionInfo"];
export type Status = Schemas["NodeStatus"];
export type CounterPage = Schemas["CounterPage"];
export type Fault = Schemas["Fault"];

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
type Value = string | number | boolean | null | undefined;

let csrf: string | null = null;

/** A page that asks again by itself is no use of a login when nobody touched anything for this long. */
const ATTENDED_MS = 30_000;
/** A machine that restarts or lost its power says nothing, and the connections to it stay open for minutes: a question without an answer for so long is given up. */
const SILENT_MS = 15_000;
let touched = Date.now();
for (const input of ["pointerdown", "keydown", "wheel", "touchmove"]) window.addEventListener(input, () => (touched = Date.now()), { capture: true, passive: true });

/** The node answered, and said no. */
export class Refused extends Error {
  constructor(readonly status: number, message: string, readonly faults: Fault[] = [], /** The last part of the problem's type, as in "not-found". */ readonly kind = "") {
    super(message);
  }
}

/** Appends what is set. */
export function asking(path: string, values: Record<string, Value>): string {
  const set = Object.entries(values).flatMap(([key, value]) => (value === undefined || value === null || value === "" ? [] : [[key, String(value)]]));
  return set.length ? `${path}?${new URLSearchParams(set).toString()}` : path;
}

/** One part of a path that a person or a mail may have written. */
export const part = (text: string) => encodeURIComponent(text);

async function send(method: Method, path: string, body: BodyInit | undefined, headers: Record<string, string>): Promise<Response> {
  if (method !== "GET" && csrf) headers["x-postern-csrf"] = csrf;
  if (method === "GET" && Date.now() - touched > ATTENDED_MS) headers["x-postern-unattended"] = "yes";
  const patience = new AbortController();
  const init: RequestInit = { method, headers, credentials: "same-origin", redirect: "error", signal: patience.signal };
  if (body !== undefined) init.body = body;
  const silence = method === "GET" ? setTimeout(() => patience.abort(), SILENT_MS) : undefined;
  const response = await fetch(`/api/v1${path}`, init).finally(() => clearTimeout(silence));
  if (response.ok) return response;
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const problem = isJson ? ((await response.json()) as Schemas["Problem"]) : null;
  const words = problem ? [problem.detail, problem.advice].filter(Boolean).join(" ") : `HTTP ${response.status}`;
  throw new Refused(response.status, words, problem?.errors ?? [], problem?.type.split(":").at(-1));
}

export async function api<T>(method: Method, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  const json = body === undefined ? undefined : JSON.stringify(body);
  if (json !== undefined) headers["content-type"] = "application/json";
  const response = await send(method, path, json, headers);
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  return (isJson ? await response.json() : null) as T;
}

/** What is there; null: the node answers with this status, by which it says that there is none. */
async function unless<T>(status: number, path: string): Promise<T | null> {
  try {
    return await api<T>("GET", path);
  } catch (error) {
    if (error instanceof Refused && error.status === status) return null;
    throw error;
  }
}

/** What another role answers; null: it is not there. A query that fails forgets what was shown, and forms under it, each time it asks again: this one does not fail. */
export const roleAt = <T>(path: string) => unless<T>(503, path);

/** A body that is no JSON: a settings file, an update. */
export async function upload<T>(method: Method, path: string, type: string, body: BodyInit, headers: Record<string, string> = {}): Promise<T> {
  const response = await send(method, path, body, { ...headers, "content-type": type });
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  return (isJson ? await response.json() : null) as T;
}

export async function text(path: string): Promise<string> {
  return (await send("GET", path, undefined, {})).text();
}

/** Who is logged in; null: nobody. */
export async function session(): Promise<Session | null> {
  const info = await unless<Session>(401, "/session");
  if (info) csrf = info.csrf ?? null;
  return info;
}

/** Somebody else is here now, or nobody: what was asked before is forgotten. The question who it is stays, so that all who asked it hear of it. */
export function become(queries: QueryClient, key: "session" | "user", who: unknown): void {
  queries.setQueryData([key], who);
  queries.removeQueries({ predicate: (query) => query.queryKey[0] !== key });
}

/** The user who is logged in by a link; null: nobody. */
export async function userSession(): Promise<Schemas["UserInfo"] | null> {
  const info = await unless<Schemas["UserInfo"]>(401, "/user/session");
  if (info) csrf = info.csrf;
  return info;
}

/** Logs in by a link, which is used up. */
export async function follow(link: string): Promise<Schemas["UserInfo"]> {
  const info = await api<Schemas["UserInfo"]>("POST", "/user/session", { link });
  csrf = info.csrf;
  return info;
}

/** `code`: of an authenticator; the problem `code-needed` asks for it. */
export async function login(name: string, password: string, code?: string): Promise<Session> {
  const info = await api<Session>("POST", "/session", { name, password, code });
  csrf = info.csrf ?? null;
  return info;
}
