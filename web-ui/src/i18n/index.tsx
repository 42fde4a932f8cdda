import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";

import { de } from "./de";
import { en, type Words } from "./en";

export type Language = "en" | "de";
interface Tongue {
  language: Language;
  words: Words;
  change: (language: Language) => void;
  /** With so many digits after the point at the most. */
  number: (n: number, digits?: number) => string;
  octets: (n: number) => string;
  span: (seconds: number) => string;
  hour: (ms: number) => string;
  /** A moment in a list. */
  moment: (ms: number) => string;
  /** A moment with its seconds. */
  when: (ms: number) => string;
}

const Context = createContext<Tongue | null>(null);

function first(): Language {
  const kept = localStorage.getItem("postern.language");
  if (kept === "en" || kept === "de") return kept;
  return navigator.language.startsWith("de") ? "de" : "en";
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(first);
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const tongue = useMemo<Tongue>(() => {
    // 24 hours and the day before the month, as in logs: American English has neither.
    const locale = language === "en" ? "en-GB" : language;
    const unit = (n: number, unit: string, digits = 0) =>
      new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits }).format(n);
    return {
      language,
      words: language === "de" ? de : en,
      change: (next) => {
        localStorage.setItem("postern.language", next);
        setLanguage(next);
      },
      // A score that is just below nothing is 0, and not -0.
      number: (n, digits = 3) => new Intl.NumberFormat(locale, { maximumFractionDigits: digits, signDisplay: "negative" }).format(n),
      octets: (n) => {
        const names = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
        const at = n < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log10(n) / 3));
        return unit(n / 1000 ** at, names[at] ?? "byte", at ? 1 : 0);
      },
      span: (seconds) => {
        const [d, h, m] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
        if (d) return `${unit(d, "day")} ${unit(h, "hour")}`;
        if (h) return `${unit(h, "hour")} ${unit(m, "minute")}`;
        return m ? unit(m, "minute") : unit(seconds, "second");
      },
      moment: (ms) => new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }).format(ms),
      when: (ms) => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" }).format(ms),
      hour: (ms) => new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" }).format(ms),
    };
  }, [language]);
  return <Context value={tongue}>{children}</Context>;
}

export function useTongue(): Tongue {
  const tongue = useContext(Context);
  if (!tongue) throw new Error("no LanguageProvider above");
  return tongue;
}

/** The words of one page: they come with the page, not with the first load. */
export function useWords<W>(tables: { en: W; de: W }): W {
  return tables[useTongue().language];
}
