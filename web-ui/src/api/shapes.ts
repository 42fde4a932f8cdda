// What the OpenAPI file calls only "object": the serialised types of postern-model, postern-mta and postern-cluster.
import type { Schemas } from "./client";

export type JourneyRow = Schemas["JourneyRow"];
export type QuarantineRow = Schemas["QuarantineRow"];

export interface Hit { symbol: string; group: string; score: number; evidence: string }
export interface Verdict { action: string; reason: string; score: number; hits: Hit[] }
export interface SandboxPart { inside: number | null; name: string; kind: string; size: number; hash: string }
export interface SandboxFinding { name: string; part: number; evidence: string }
export interface SandboxEvent { at: number; part: number; action: string; text: string; detail: string; times: number }
/** Reports of before the watch have none. */
export interface Watched { cells: number; seen: number; lost: number; without: string | null; partly: string | null }
export interface Opened { report: { parts: SandboxPart[]; findings: SandboxFinding[]; timeline: SandboxEvent[]; watch?: Watched }; left_out: number; seen: "now" | "before" | { "by-peer": string } }
export interface PolicyDecision { recipient: string; action: string; reason: string; rules: { rule: string; evidence: string[]; effects: string[] }[] }
export interface Step { at: number; node: string; event: string; verdict?: Verdict; attachments?: Opened[]; decisions?: PolicyDecision[]; parts?: string[]; [more: string]: unknown }
export interface JourneyView { summary?: JourneyRow | null; steps: Step[]; silent: string[] }

export interface Member {
  id: string; name: string; this: boolean; connected: boolean; trouble: string | null; joined: number; joined_by: string;
  addresses: string[]; address: string | null; round_trip_ms: number | null; duty: string; version: string; heard: number | null;
  queued: number; free: number; problems: string[]; behind: number;
}
export interface Cluster {
  member: boolean; id: string; name: string; node: string | null; members: Member[];
  removed: { key: string; name: string; at: number; by: string }[];
  conflicts: number; unknown_settings: string[];
  refused: { problems: { path: string; message: string }[]; author: string; node: string | null; at: number } | null;
  copies: { shadowed: number; unshadowed: number; deferred: number; lacking: number; held: number; taken_over: number; given_away: number };
  ledger: { rows: number; origins: number };
}
export interface Count { name: string; count: number }
export interface ReportSeries { name: string; values: number[] }
export interface Report {
  period: { first: string; last: string }; made: number; minutes: number; domains: string[]; times: number[]; step: number; mails: ReportSeries[]; before: number; silent: string[];
  held: { at_begin: number; at_end: number; flow: ReportSeries[]; senders: Count[]; recipients: Count[] };
  by_domain: { domain: string; mails: number; actions: Record<string, number> }[];
  whole: null | {
    octets: number; reasons: Count[]; symbols: (Count & { about: string })[]; dropped: number[]; drops: Count[];
    delivery: { delivered: number; deferred: number; failed: number; delays: Count[]; queue: number[] };
    alerts: { condition: string; subject: string; node: string | null; raised: number; ended: number | null }[];
    nodes: { name: string; mails: number; minutes: number | null }[];
  };
}
export interface Invitation { id: string; issued: number; expires: number }
export interface ClusterVersion { hash: string; at: number; author: string; message: string; node: string | null }
export interface ClusterDifference { path: string; before: unknown; after: unknown }
export interface Conflict { path: string; values: { value: unknown; author: string; at: number; node: string | null }[] }

export interface Reply { at: number; host: string; reply: string }
export interface QueueRow {
  id: string; status: string; accepted: number; size: number; direction: string; sender: string; subject: string | null; message_id: string | null; reason: string; held_until: number | null; reroute: string | null;
  recipients: { address: string; status: string; attempts: number; next_attempt: number | null; last: Reply | null }[];
}
export interface Why {
  mail: QueueRow;
  destinations: {
    destination: string; recipients: string[]; health: string; next_probe: number | null; trouble: Reply | null; in_line: number; connections: number; routing_error: string | null;
    hosts: Hop[];
  }[];
}

export interface Hop { host: string; protocol: string; tls: string; is_avoided: boolean }
export interface Route { hops: Hop[]; trouble: string | null; waiting: number; health: string | null; next_probe: number | null; last_failure: Reply | null }
export interface Domains { domains: { name: string; recipient_check: string; recipients: number; route: Route }[]; smarthosts: Route | null }
export interface Tried { host: string; tls: string | null; is_trusted: boolean; recipient: { is_taken: boolean; reply: string } | null; trouble: string | null; milliseconds: number }

export interface Edge {
  version: string; since: number; bans: number; allowed: number; samples_lost: number;
  interfaces: { name: string; mode: string; attached: boolean }[];
  counters: { name: string; drops: boolean; packets: number; octets: number }[];
  feeds: { name: string; entries: number; loaded: number | null; error: string | null }[];
  steering: null | {
    digest: string; stale: boolean; interface: string; trouble: string | null;
    addresses: { address: string; owned: boolean; conflicts: number; rival: string | null }[];
    members: { node: string; name: string; this: boolean; state: string; share: number; way: string; mac: string | null; trouble: string | null }[];
  };
}
export interface Ban { network: string; reason: string; from: number; until: number; count: number; by: string; evidence: string }
export interface Sample { at: number; source: string; port: number; reason: string; length: number }
export interface Trace { address: string; action: string; reason: string; steps: string[] }

export interface System {
  version: string; medium: string; data: string; firmware: string; set_up: string; trouble: string | null; guarded: string[];
  slots: { name: string; running: boolean; wanted: boolean; on_trial: boolean; tries_left: number | null }[];
  update: { state: "none" } | { state: "running"; stage: string; version: string; done: number; total: number } | { state: "ready"; version: string } | { state: "failed"; why: string };
  last_update: { from: string; to: string; slot: string; outcome: string; why: string } | null;
}
