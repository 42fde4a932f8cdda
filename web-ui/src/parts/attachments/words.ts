const en = {
  title: "Attachments", text: "Taken apart before the verdict, each in a cell of its own. Scripts were run there among things that only write down: nothing left this machine.",
  tree: "Parts", part: "Part", name: "Name", is: "Is", size: "Size", findings: "Findings", finding: "Finding", evidence: "Seen", noFindings: "Nothing was found.",
  timeline: "What its scripts did", second: "Second", did: "Did", what: "What", by: "With", times: "{n} times", contacted: "Spoke to, or led to", leftOut: "{n} more parts, findings and events are not kept.",
  watch: "Watched from the kernel", watched: "{cells} cells, {seen} sightings", unwatched: "no: {why}", notAll: "{cells} cells, {seen} sightings; others not: {why}", lost: "{n} were lost", partly: "in part: {why}",
  opened: "Opened", now: "for this mail", before: "for an earlier mail with the same file", peer: "by {node}",
  actions: {
    begin: "began", layer: "made script of text", object: "made an object", call: "used", ask: "asked", wait: "waited", load: "loaded", go: "went to", write: "wrote a file", read: "read a file", move: "moved or deleted", registry: "registry",
    persist: "stays", start: "started", decoded: "decoded", show: "showed", page: "wrote into its page", "hand-over": "handed over a file", error: "error", stopped: "was ended", end: "ended", resolve: "asked for the address of", connect: "connected to", refused: "was refused",
  } as Record<string, string>,
};
const de: typeof en = {
  title: "Anhänge", text: "Vor dem Urteil zerlegt, jeder in einer eigenen Zelle. Skripte liefen dort unter Dingen, die nur mitschreiben: nichts verließ diese Maschine.",
  tree: "Teile", part: "Teil", name: "Name", is: "Ist", size: "Größe", findings: "Befunde", finding: "Befund", evidence: "Gesehen", noFindings: "Nichts gefunden.",
  timeline: "Was die Skripte taten", second: "Sekunde", did: "Tat", what: "Was", by: "Womit", times: "{n}-mal", contacted: "Sprach mit oder führte zu", leftOut: "{n} weitere Teile, Befunde und Ereignisse sind nicht aufgehoben.",
  watch: "Vom Kernel beobachtet", watched: "{cells} Zellen, {seen} Beobachtungen", unwatched: "nein: {why}", notAll: "{cells} Zellen, {seen} Beobachtungen; andere nicht: {why}", lost: "{n} gingen verloren", partly: "zum Teil: {why}",
  opened: "Geöffnet", now: "für diese Mail", before: "für eine frühere Mail mit derselben Datei", peer: "von {node}",
  actions: {
    begin: "begann", layer: "machte Skript aus Text", object: "erzeugte ein Objekt", call: "benutzte", ask: "fragte", wait: "wartete", load: "lud", go: "ging zu", write: "schrieb eine Datei", read: "las eine Datei", move: "verschob oder löschte", registry: "Registry",
    persist: "bleibt", start: "startete", decoded: "entschlüsselt", show: "zeigte", page: "schrieb in die Seite", "hand-over": "gab eine Datei ab", error: "Fehler", stopped: "wurde beendet", end: "endete", resolve: "fragte nach der Adresse von", connect: "verband sich mit", refused: "durfte nicht",
  },
};
export const words = { en, de };
