const en = {
  title: "Settings", text: "Shared by all nodes of a cluster, except what belongs to one node.",
  sections: "Sections", form: "Form", file: "As a file", history: "History",
  changed: "{n} changed", save: "Save", discard: "Discard changes", message: "What for", messageHint: "for the history", savedSaid: "Saved and in force.", sameSaid: "It was like that already.", restart: "In force after a restart of the node: {what}.",
  default: "default: {value}", back: "Back to the default", none: "none", empty: "empty", oneALine: "one a line", add: "Add one", remove: "Remove", item: "{name} {n}", json: "as JSON", notJson: "This is no JSON", notNumber: "This is no number",
  stale: "Somebody has changed the settings meanwhile. Your changes are kept here; load the present settings and save again.", loadAgain: "Load the present settings",
  fileText: "The whole file (TOML) with its comments. Secrets are masked; a mask that stays means: as it was.", check: "Check", good: "The file is good.", bad: "The file is not good", on: "on", off: "off",
  versions: "Versions of this node's file", noVersions: "No version yet.", at: "When", author: "By", what: "What for", acts: "Actions", show: "Changes since", hide: "Hide", undo: "Go back to it", undoAsk: "Go back to this version?", undoText: "It becomes the newest one; nothing is lost.", noDifference: "Nothing differs.", diff: "Changes since then",
};
const de: typeof en = {
  title: "Einstellungen", text: "Allen Knoten eines Clusters gemeinsam, außer was zu einem Knoten gehört.",
  sections: "Abschnitte", form: "Formular", file: "Als Datei", history: "Verlauf",
  changed: "{n} geändert", save: "Speichern", discard: "Änderungen verwerfen", message: "Wofür", messageHint: "für den Verlauf", savedSaid: "Gespeichert und in Kraft.", sameSaid: "So war es schon.", restart: "In Kraft nach einem Neustart des Knotens: {what}.",
  default: "Voreinstellung: {value}", back: "Zurück zur Voreinstellung", none: "keine", empty: "leer", oneALine: "je Zeile eines", add: "Hinzufügen", remove: "Entfernen", item: "{name} {n}", json: "als JSON", notJson: "Das ist kein JSON", notNumber: "Das ist keine Zahl",
  stale: "Jemand hat die Einstellungen inzwischen geändert. Ihre Änderungen bleiben hier; laden Sie die jetzigen Einstellungen und speichern Sie noch einmal.", loadAgain: "Jetzige Einstellungen laden",
  fileText: "Die ganze Datei (TOML) mit ihren Kommentaren. Geheimes ist verdeckt; bleibt die Maske stehen, heißt das: wie es war.", check: "Prüfen", good: "Die Datei ist gut.", bad: "Die Datei ist nicht gut", on: "an", off: "aus",
  versions: "Fassungen der Datei dieses Knotens", noVersions: "Noch keine Fassung.", at: "Wann", author: "Von", what: "Wofür", acts: "Handlungen", show: "Änderungen seither", hide: "Verbergen", undo: "Dahin zurück", undoAsk: "Zu dieser Fassung zurück?", undoText: "Sie wird die neueste; nichts geht verloren.", noDifference: "Kein Unterschied.", diff: "Änderungen seither",
};
export const words = { en, de };
