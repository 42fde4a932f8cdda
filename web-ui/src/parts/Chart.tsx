import { useEffect, useRef } from "react";
import uPlot from "uplot";

export interface Series { label: string; color: string; values: number[] }

/** The one place where uPlot is used: stacked bars over hours. Its figures belong into a table beside it, for those who cannot see it. */
export function Chart({ label, hours, series, language, dark }: { label: string; hours: number[]; series: Series[]; language: string; dark: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const host = box.current;
    const bars = uPlot.paths.bars;
    if (!host || !bars) return;
    // Each series is drawn as the sum of itself and those after it, the highest first: what is seen of each is its own part.
    const sums = series.map((_, at) => hours.map((_, hour) => series.slice(at).reduce((sum, s) => sum + (s.values[hour] ?? 0), 0)));
    const ink = getComputedStyle(host).color;
    const axis = { stroke: ink, grid: { stroke: dark ? "#444" : "#ddd", width: 1 }, ticks: { show: false } };
    const locale = language === "en" ? "en-GB" : language;
    const time = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
    const whole = new Intl.NumberFormat(locale);
    const plot = new uPlot(
      {
        width: host.clientWidth,
        height: 220,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_, __, highest) => [0, Math.max(1, highest)] } },
        axes: [
          { ...axis, values: (_, ticks) => ticks.map((t) => time.format(t * 1000)) },
          { ...axis, values: (_, ticks) => ticks.map((t) => (Number.isInteger(t) ? whole.format(t) : "")) },
        ],
        series: [{}, ...series.map((s) => ({ label: s.label, fill: s.color, width: 0, paths: bars({ size: [0.7] }), points: { show: false } }))],
      },
      [hours.map((h) => h / 1000), ...sums],
      host,
    );
    const watch = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: 220 }));
    watch.observe(host);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [hours, series, language, dark]);
  return <div ref={box} className="postern-chart" role="img" aria-label={label} />;
}
