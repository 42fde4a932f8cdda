const en = {
  title: "Quarantine", text: "Mails that were held back, wherever in the cluster they lie.",
  search: "Sender, recipient or subject", recipient: "Recipient", state: "State", reason: "Reason", held: "held", released: "released", deleted: "deleted", all: "all", from: "Not before", to: "Not after",
  results: "Mails in the quarantine", empty: "Nothing here.", time: "Time", sender: "Sender", score: "Score", expires: "Deleted after", size: "Size", node: "Lies with", onNode: "on {node}", by: "Done by", nullPath: "<> (a notification)", others: "{first} and {n} more",
  release: "Release", delete: "Delete", acts: "Actions", chosen: "{n} chosen", thisNode: "this node",
  releaseAsk: "Release {n}?", releaseText: "It goes to its recipients now, whatever the filter saw.", deleteAsk: "Delete {n}?", deleteText: "It is gone for good, on all nodes.", one: "this mail", many: "{n} mails",
  releasedSaid: "Released: on its way.", deletedSaid: "Deleted.", bulkSaid: "Done with {n}.", bulkFailed: "{done} done, {failed} not:",
  journey: "Its journey", mail: "Mail", message: "Text of the mail", messageText: "Written by a stranger, and shown as text: nothing in it works, nothing is loaded from elsewhere.", noText: "There is no text in it.",
  gone: "The mail itself is no longer here.", links: "Where its links lead", parts: "Parts", noParts: "No parts.", number: "Part", type: "Said to be", trueType: "Looks like", file: "File name", headers: "Header fields", name: "Name", value: "Value",
  fromHeader: "Header From", open: "Open attachments again", openedSaid: "Opened again.", nothingToOpen: "It has no attachment that is taken apart.", openedAgain: "Opened again",
  releaseLearn: "Release and learn", deleteLearn: "Delete and learn", learnHamText: "The classifier of all nodes learns that it is no spam.", learnSpamText: "The classifier of all nodes learns that it is spam.",
};
const de: typeof en = {
  title: "Quarantäne", text: "Zurückgehaltene Mails, wo im Cluster sie auch liegen.",
  search: "Absender, Empfänger, Betreff", recipient: "Empfänger", state: "Zustand", reason: "Grund", held: "gehalten", released: "freigegeben", deleted: "gelöscht", all: "alle", from: "Nicht vor", to: "Nicht nach",
  results: "Mails in der Quarantäne", empty: "Hier ist nichts.", time: "Zeit", sender: "Absender", score: "Punkte", expires: "Gelöscht nach", size: "Größe", node: "Liegt bei", onNode: "bei {node}", by: "Von", nullPath: "<> (eine Benachrichtigung)", others: "{first} und {n} weitere",
  release: "Freigeben", delete: "Löschen", acts: "Handlungen", chosen: "{n} ausgewählt", thisNode: "diesem Knoten",
  releaseAsk: "{n} freigeben?", releaseText: "Die Zustellung beginnt sofort, was immer der Filter sah.", deleteAsk: "{n} löschen?", deleteText: "Endgültig, auf allen Knoten.", one: "Diese Mail", many: "{n} Mails",
  releasedSaid: "Freigegeben: unterwegs.", deletedSaid: "Gelöscht.", bulkSaid: "{n} erledigt.", bulkFailed: "{done} erledigt, {failed} nicht:",
  journey: "Ihr Weg", mail: "Mail", message: "Text der Mail", messageText: "Von Fremden geschrieben und als Text gezeigt: nichts darin wirkt, nichts wird von anderswo geladen.", noText: "Sie enthält keinen Text.",
  gone: "Die Mail selbst ist nicht mehr hier.", links: "Wohin ihre Links führen", parts: "Teile", noParts: "Keine Teile.", number: "Teil", type: "Angeblich", trueType: "Sieht aus wie", file: "Dateiname", headers: "Kopffelder", name: "Name", value: "Wert",
  fromHeader: "From im Kopf", open: "Anhänge neu öffnen", openedSaid: "Neu geöffnet.", nothingToOpen: "Sie hat keinen Anhang, der zerlegt wird.", openedAgain: "Neu geöffnet",
  releaseLearn: "Freigeben und lernen", deleteLearn: "Löschen und lernen", learnHamText: "Der Klassifizierer aller Knoten lernt, dass sie kein Spam ist.", learnSpamText: "Der Klassifizierer aller Knoten lernt, dass sie Spam ist.",
};
export const words = { en, de };
