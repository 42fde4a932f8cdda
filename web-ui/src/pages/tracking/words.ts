const en = {
  title: "Tracking", text: "What happened to a mail, and why. All nodes are searched.",
  sender: "Sender", recipient: "Recipient", subject: "Words of the subject", client: "Client address", messageId: "Message-ID", mail: "Mail id", action: "Action", reason: "Reason", direction: "Direction",
  from: "Not before", to: "Not after", any: "any", inbound: "inbound", outbound: "outbound",
  results: "Mails", empty: "No mail like that. Less in the search finds more.", time: "Time", nullPath: "<> (a notification)", score: "Score", node: "Node",
  others: "{first} and {n} more", silent: "Did not answer, so what they took is not here",
  mailTitle: "Mail", summary: "Summary", fromHeader: "Header From", size: "Size", verdict: "Verdict", verdictText: "What the filter saw. The scores add up; what a symbol saw stands beside it.",
  symbol: "Symbol", group: "Group", seen: "Seen", noSymbol: "No symbol fired.", steps: "What happened", noSummary: "It was never judged: the session ended before.",
  inQuarantine: "In quarantine", inQueue: "In the queue", score2: "score {n}",
  events: {
    received: "Received", "recipient-refused": "Recipient refused", authenticated: "Authenticated", "taken-apart": "Attachments taken apart", judged: "Judged", policy: "Rules applied", split: "Taken in parts", accepted: "Accepted", refused: "Refused", held: "Held for the sandbox", "hold-ended": "Held no more", "opened-again": "Attachments opened again", quarantined: "Put into quarantine",
    "quarantine-action": "Done in the quarantine", deferred: "Put off", delivered: "Delivered", failed: "Failed for good", notified: "Notification sent", "queue-action": "Done in the queue", "taken-over": "Taken over by another node",
  } as Record<string, string>,
  fields: {
    client: "client", helo: "HELO", tls: "TLS", reverse: "name of the address", recipient: "recipient", reason: "reason", results: "results", size: "size", reply: "reply", action: "action", by: "by", host: "host", next: "next attempt",
    milliseconds: "took", kind: "kind", mail: "mail", from: "from", parts: "the other parts", why: "why", until: "at the latest until",
  } as Record<string, string>,
};
const de: typeof en = {
  title: "Verfolgung", text: "Was mit einer Mail geschah, und warum. Alle Knoten werden durchsucht.",
  sender: "Absender", recipient: "Empfänger", subject: "Wörter des Betreffs", client: "Adresse des Clients", messageId: "Message-ID", mail: "Mail-ID", action: "Behandlung", reason: "Grund", direction: "Richtung",
  from: "Nicht vor", to: "Nicht nach", any: "alle", inbound: "eingehend", outbound: "ausgehend",
  results: "Mails", empty: "Keine solche Mail. Weniger in der Suche findet mehr.", time: "Zeit", nullPath: "<> (eine Benachrichtigung)", score: "Punkte", node: "Knoten",
  others: "{first} und {n} weitere", silent: "Antworteten nicht, ihre Mails fehlen hier",
  mailTitle: "Mail", summary: "Überblick", fromHeader: "From im Kopf", size: "Größe", verdict: "Urteil", verdictText: "Was der Filter sah. Die Punkte werden addiert; daneben steht, was ein Symbol gesehen hat.",
  symbol: "Symbol", group: "Gruppe", seen: "Gesehen", noSymbol: "Kein Symbol schlug an.", steps: "Was geschah", noSummary: "Sie wurde nie beurteilt: die Sitzung endete vorher.",
  inQuarantine: "In der Quarantäne", inQueue: "In der Warteschlange", score2: "{n} Punkte",
  events: {
    received: "Empfangen", "recipient-refused": "Empfänger abgewiesen", authenticated: "Authentifiziert", "taken-apart": "Anhänge zerlegt", judged: "Beurteilt", policy: "Regeln angewandt", split: "In Teilen angenommen", accepted: "Angenommen", refused: "Abgewiesen", held: "Für die Sandbox angehalten", "hold-ended": "Nicht mehr angehalten", "opened-again": "Anhänge neu geöffnet", quarantined: "In Quarantäne gelegt",
    "quarantine-action": "In der Quarantäne behandelt", deferred: "Aufgeschoben", delivered: "Zugestellt", failed: "Endgültig gescheitert", notified: "Benachrichtigung gesendet", "queue-action": "In der Warteschlange behandelt", "taken-over": "Von einem anderen Knoten übernommen",
  },
  fields: {
    client: "Client", helo: "HELO", tls: "TLS", reverse: "Name der Adresse", recipient: "Empfänger", reason: "Grund", results: "Ergebnisse", size: "Größe", reply: "Antwort", action: "Handlung", by: "von", host: "Host", next: "nächster Versuch",
    milliseconds: "Dauer", kind: "Art", mail: "Mail", from: "von", parts: "die anderen Teile", why: "warum", until: "längstens bis",
  },
};
export const words = { en, de };
