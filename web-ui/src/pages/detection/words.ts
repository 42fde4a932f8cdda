const en = {
  title: "Detection", text: "What a mail is judged by: each symbol that fires adds its weight to the score, groups up to a cap.",
  thresholds: "From a score of {tag} a mail is tagged, from {quarantine} quarantined, from {reject} rejected.", thresholdsChange: "Change thresholds and caps",
  training: "Training", trained: "The classifier has learned {spam} spam and {ham} other mails, on all nodes.", trainText: "Give it a mail as it was received (a file .eml). Mails in quarantine are learned there, by “Release and learn” and “Delete and learn”.", file: "Mail", learnSpam: "Learn as spam", learnHam: "Learn as wanted", learnedSaid: "Learned.",
  symbols: "Symbols", filter: "Show only those with", firedOnly: "Only those that fired", none: "None fits.", symbol: "Symbol", group: "Group", weight: "Weight", fired: "Fired in {days} days", share: "Of these caught", shareHelp: "Caught: the filter did not let it pass as it was. A symbol with a high weight that fires mostly on mails that are delivered is worth a look.", never: "–", usual: "usual: {weight}", off: "off", change: "Change weight", changeOf: "Weight of {name}", reset: "Back to {weight}", zero: "0 switches it off.", savedSaid: "{name} weighs {weight} now, on all nodes.", days: "Days", judged: "{n} mails were judged in this time on this node.",
  cap: "cap {cap}",
};
const de: typeof en = {
  title: "Erkennung", text: "Wonach eine Mail beurteilt wird: jedes Symbol, das anschlägt, zählt mit seinem Gewicht zum Wert, Gruppen bis zu einer Grenze.",
  thresholds: "Ab einem Wert von {tag} wird eine Mail markiert, ab {quarantine} in Quarantäne gelegt, ab {reject} abgewiesen.", thresholdsChange: "Schwellen und Grenzen ändern",
  training: "Training", trained: "Der Klassifikator hat {spam} Spam- und {ham} andere Mails gelernt, auf allen Knoten.", trainText: "Geben Sie ihm eine Mail, wie sie ankam (eine Datei .eml). Mails in der Quarantäne werden dort gelernt, durch „Freigeben und lernen“ und „Löschen und lernen“.", file: "Mail", learnSpam: "Als Spam lernen", learnHam: "Als erwünscht lernen", learnedSaid: "Gelernt.",
  symbols: "Symbole", filter: "Nur zeigen mit", firedOnly: "Nur was angeschlagen hat", none: "Keines passt.", symbol: "Symbol", group: "Gruppe", weight: "Gewicht", fired: "Angeschlagen in {days} Tagen", share: "Davon gefangen", shareHelp: "Gefangen: der Filter ließ die Mail nicht einfach durch. Ein schweres Symbol, das meist bei zugestellten Mails anschlägt, ist einen Blick wert.", never: "–", usual: "üblich: {weight}", off: "aus", change: "Gewicht ändern", changeOf: "Gewicht von {name}", reset: "Zurück auf {weight}", zero: "0 schaltet es ab.", savedSaid: "{name} wiegt jetzt {weight}, auf allen Knoten.", days: "Tage", judged: "{n} Mails wurden in dieser Zeit auf diesem Knoten beurteilt.",
  cap: "Grenze {cap}",
};
export const words = { en, de };
