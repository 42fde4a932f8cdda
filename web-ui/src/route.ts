// Where one is: the fragment of the address, as in #/tracking?sender=a or #/tracking/ID. The node serves one page for all of them.
import { useSyncExternalStore } from "react";

export interface Place {
  page: string;
  /** What comes after the page: an id; empty: the page itself. */
  item: string;
  asked: URLSearchParams;
}

function read(fragment: string): Place {
  const [path = "", query = ""] = fragment.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [page = "", item = ""] = path.split(/\/(.*)/s);
  let plain = item;
  try {
    plain = decodeURIComponent(item);
  } catch {
    // A hand-made address that is no encoding: shown as it is.
  }
  return { page, item: plain, asked: new URLSearchParams(query) };
}

function watch(changed: () => void): () => void {
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
}

let kept: { fragment: string; place: Place } = { fragment: "", place: read("") };

function now(): Place {
  if (location.hash !== kept.fragment) kept = { fragment: location.hash, place: read(location.hash) };
  return kept.place;
}

export function usePlace(): Place {
  return useSyncExternalStore(watch, now);
}

/** An address of this console; values that are empty are left out. */
export function to(page: string, item = "", asked: Record<string, string | undefined> = {}): string {
  const set = Object.entries(asked).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const query = new URLSearchParams(set).toString();
  return `#/${page}${item && `/${encodeURIComponent(item)}`}${query && `?${query}`}`;
}

export function go(address: string): void {
  location.hash = address;
}
