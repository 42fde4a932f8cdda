// Timers, and what the environment does by itself: what was put off until later, what a click sets off.
(function (host, config) {
  "use strict";
  const { defineProperty } = Object;
  const queue = config.queue || [];
  const define = (name, value) => defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  const ended = new Set();
  let count = 0;
  const later = (what, time, values, again) => { count += 1; queue.push([what, Number(time) || 0, values, again, count]); return count; };
  // A timer that comes again and again comes three times.
  define("setTimeout", (what, time, ...values) => later(what, time, values, 0));
  define("setInterval", (what, time, ...values) => later(what, time, values, 2));
  define("setImmediate", (what, ...values) => later(what, 0, values, 0));
  define("requestAnimationFrame", (what) => later(what, 16, [16], 0));
  define("requestIdleCallback", (what) => later(what, 1, [{ timeRemaining: () => 10, didTimeout: false }], 0));
  define("queueMicrotask", (what) => later(what, 0, [], 0));
  for (const name of ["clearTimeout", "clearInterval", "clearImmediate", "cancelAnimationFrame"]) define(name, (number) => { ended.add(number); });
  let steps = 500;
  function pump() {
    while (queue.length > 0 && steps > 0) {
      steps -= 1;
      let next = 0;
      for (let n = 1; n < queue.length; n++) if (queue[n][1] < queue[next][1]) next = n;
      const [what, time, values, again, number] = queue.splice(next, 1)[0];
      if (ended.has(number)) continue;
      if (time > 20) host.wait(time);
      for (const other of queue) other[1] = Math.max(0, other[1] - time);
      try { if (typeof what === "function") what(...(values || [])); else if (config.vb && (config.basic || /^vbs/i.test(String(values && values[0])))) config.vb.run(String(what)); else (0, eval)(String(what)); }
      catch (error) { host.record("error", String(error), "in a timer"); }
      if (again > 0) queue.push([what, time, values, again - 1, number]);
    }
  }
  const written = () => { if (config.machine) config.machine.flush(); if (config.vb) config.vb.flush(); };
  // In a page whose first script is Visual Basic, handlers are, too.
  const basic = (code) => (/^\s*vbs(cript)?:/i.test(code) || config.basic) && !/^\s*javascript:/i.test(code);
  const happens = (test) => { if (config.vb) config.vb.happens(test); };
  function clicks(codes) {
    for (const code of codes) {
      if (config.vb && basic(code)) {
        try { host.quiet(true); const act = config.vb.execute(code.replace(/^\s*vbs(cript)?:/i, ""), null); host.quiet(false); (0, eval)(act); } catch (error) { host.quiet(false); host.record("error", String(error), "in a handler"); }
        continue;
      }
      try { host.quiet(true); const act = new Function("event", code); host.quiet(false); act.call(globalThis.document ? globalThis.document.body : globalThis, { type: "click", preventDefault() {}, stopPropagation() {} }); }
      catch (error) { host.quiet(false); host.record("error", String(error), "in a handler"); }
    }
  }
  return {
    pump: () => { pump(); written(); },
    load: () => { clicks(config.at_load || []); happens((name) => /^(window|document|body|hta)?_?on(load|readystatechange)$/.test(name)); pump(); },
    click: () => { happens((name) => config.page && /_on(click|mouseover|mousemove)$/.test(name)); for (const act of config.listeners ? config.listeners() : []) { try { act(); } catch (error) { host.record("error", String(error), "in a handler"); } } clicks(config.at_click || []); pump(); },
  };
})
