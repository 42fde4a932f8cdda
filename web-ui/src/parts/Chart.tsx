import { useEffect, useRef } from "react";
import uPlot from "uplot";

export interface Series { label: string; color: string; values: number[] }

const DAY = 86_400_000;

/** The one place where uPlot is used: stacked bars over time. Its figures belong into a table beside it, for those who cannot see it. `step`: milliseconds of a bar; from days on they are those of UTC, as is everything in `zone`. */
export function Chart({ label, times, step, zone, series, language, dark }: { label: string; times: number[]; step: number; zone?: "UTC"; series: Series[]; language: string; dark: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const host = box.current;
    const bars = uPlot.paths.bars;
    if (!host || !bars) return;
    // Each series is drawn as the sum of itself and those after it, the highest first: what is seen of each is its own part.
    const sums = series.map((_, at) => times.map((_, time) => series.slice(at).reduce((sum, s) => sum + (s.values[time] ?? 0), 0)));
    const ink = getComputedStyle(host).color;
    const axis = { stroke: ink, grid: { stroke: dark ? "#444" : "#ddd", width: 1 }, ticks: { show: false } };
    const locale = language === "en" ? "en-GB" : language;
    const shown: Intl.DateTimeFormatOptions = step < DAY ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
    const time = new Intl.DateTimeFormat(locale, { ...shown, ...(zone ? { timeZone: zone } : {}) });
    const whole = new Intl.NumberFormat(locale);
    const plot = new uPlot(
      {
        width: host.clientWidth,
        height: 220,
        legend: { show: false },
        cursor: { show: false },
        ...(zone ? { tzDate: (at: number) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC") } : {}),
        // Half a bar at either side.
        scales: { x: { range: (_, first, last) => [first - step / 2000, last + step / 2000] }, y: { range: (_, __, highest) => [0, Math.max(1, highest)] } },
        axes: [
          { ...axis, space: 60, values: (_, ticks) => ticks.map((t) => (step < DAY || (t * 1000) % DAY === 0 ? time.format(t * 1000) : "")) },
          { ...axis, values: (_, ticks) => ticks.map((t) => (Number.isInteger(t) ? whole.format(t) : "")) },
        ],
        series: [{}, ...series.map((s) => ({ label: s.label, fill: s.color, width: 0, paths: bars({ size: [0.7, 60] }), points: { show: false } }))],
      },
      [times.map((t) => t / 1000), ...sums],
      host,
    );
    const watch = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: 220 }));
    watch.observe(host);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [times, step, zone, series, language, dark]);
  return (
    <>
      <div ref={box} className="postern-chart" role="img" aria-label={label} />
      {series.length > 1 && (
        <ul className="postern-legend">
          {series.map((s) => <li key={s.label}><svg width="12" height="12" aria-hidden="true"><rect width="12" height="12" fill={s.color} /></svg> {s.label}</li>)}
        </ul>
      )}
    </>
  );
}
