const en = {
  title: "Queue", text: "Mails that this node has accepted and not delivered yet, oldest first.",
  sender: "Sender", recipient: "Recipient", domain: "Domain of a recipient", status: "State", older: "Older than", younger: "Younger than", reply: "Part of the last reply", any: "any", span: "2h",
  results: "Mails in the queue", empty: "Nothing waits.", total: "{n} in all", accepted: "Accepted", lastReply: "Last reply", next: "Next attempt", attempts: "Attempts", acts: "Actions", nullPath: "<> (a notification)", others: "{first} and {n} more",
  chosen: "{n} chosen", allMatching: "Do it with all {n} that match the search",
  retry: "Try now", hold: "Hold", release: "Send what is held", return: "Return to sender", delete: "Delete", reroute: "Other next hop",
  returnAsk: "Return {n} to the sender?", returnText: "The sender is told that it could not be delivered; the mail leaves the queue.", deleteAsk: "Delete {n}?", deleteText: "Nobody is told. It is gone for good.", rerouteAsk: "Send {n} to another next hop", hop: "Next hop", hopHint: "host:port or lmtp:host:port; empty: by the routing table again",
  one: "this mail", many: "{n} mails", done: "{n} changed.", busy: "{n} left alone: being sent at that moment.", unfit: "{n} left alone: it cannot be done with them.",
  mail: "Mail", journey: "Its journey", gone: "It is not in this node's queue: delivered, handed over, or never here.", size: "Size", subject: "Subject", messageId: "Message-ID", reroutedTo: "Sent by hand to", recipients: "Recipients", destinations: "Where it would go", destination: "Destination", health: "Health", hosts: "Hosts, in order", inLine: "In line there", connections: "Connections", trouble: "Trouble", avoided: "failed a short while ago", noHosts: "none", noDestinations: "Nothing is left to be sent.", nextProbe: "tried again",
  sandbox: "Waits for the sandbox", untilLatest: "until",
};
const de: typeof en = {
  title: "Warteschlange", text: "Mails, die dieser Knoten angenommen und noch nicht zugestellt hat, älteste zuerst.",
  sender: "Absender", recipient: "Empfänger", domain: "Domain eines Empfängers", status: "Zustand", older: "Älter als", younger: "Jünger als", reply: "Teil der letzten Antwort", any: "alle", span: "2h",
  results: "Mails in der Warteschlange", empty: "Nichts wartet.", total: "{n} insgesamt", accepted: "Angenommen", lastReply: "Letzte Antwort", next: "Nächster Versuch", attempts: "Versuche", acts: "Handlungen", nullPath: "<> (eine Benachrichtigung)", others: "{first} und {n} weitere",
  chosen: "{n} ausgewählt", allMatching: "Mit allen {n}, auf die die Suche passt",
  retry: "Jetzt versuchen", hold: "Anhalten", release: "Angehaltenes senden", return: "Zurück an Absender", delete: "Löschen", reroute: "Anderer nächster Host",
  returnAsk: "{n} an den Absender zurück?", returnText: "Der Absender erfährt, dass sie nicht zustellbar war; die Mail verlässt die Warteschlange.", deleteAsk: "{n} löschen?", deleteText: "Niemand erfährt es. Endgültig.", rerouteAsk: "{n} an einen anderen nächsten Host senden", hop: "Nächster Host", hopHint: "host:port oder lmtp:host:port; leer: wieder nach der Routing-Tabelle",
  one: "Diese Mail", many: "{n} Mails", done: "{n} geändert.", busy: "{n} ausgelassen: wurden gerade gesendet.", unfit: "{n} ausgelassen: mit ihnen geht es nicht.",
  mail: "Mail", journey: "Ihr Weg", gone: "Sie ist nicht in der Warteschlange dieses Knotens: zugestellt, weitergegeben oder nie hier.", size: "Größe", subject: "Betreff", messageId: "Message-ID", reroutedTo: "Von Hand geleitet an", recipients: "Empfänger", destinations: "Wohin sie ginge", destination: "Ziel", health: "Zustand", hosts: "Hosts der Reihe nach", inLine: "Dort in der Reihe", connections: "Verbindungen", trouble: "Störung", avoided: "scheiterte vor kurzem", noHosts: "keine", noDestinations: "Nichts ist mehr zu senden.", nextProbe: "neuer Versuch",
  sandbox: "Wartet auf die Sandbox", untilLatest: "bis",
};
export const words = { en, de };
