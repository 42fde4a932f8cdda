const en = {
  title: "Alerts", none: "Nothing is wrong.", list: "What is wrong now",
  what: "What", found: "Found", since: "Since", from: "From", until: "Until", acts: "Actions", on: "on {node}", seenBy: "seen by {nodes}",
  acknowledge: "Acknowledge", acknowledged: "acknowledged by {who}", acknowledgedSaid: "Acknowledged: it is not told again until it is over.", over: "over soon",
  past: "What is over", noPast: "Nothing was wrong yet.",
  nobody: "Nobody is told of this: no recipients and no webhooks are set.", test: "Try whether alerts come through", testSaid: "A mail to each recipient and a notice to each webhook are on their way.",
  mailTrouble: "The last mail about alerts did not go", hookTrouble: "The webhook {name} was not told",
  conditions: {
    "node-unreachable": "Node cannot be reached", "queue-old": "Mail waits too long", "queue-long": "Too many mails wait", "spool-refuses": "Spool takes no mail", "backend-unreachable": "Mail server cannot be reached",
    "copies-lacking": "Mails without enough copies", "certificate-ends": "Certificate ends", "certificate-not-renewed": "Certificate was not renewed", "backup-failed": "Backup failed", "update-failed": "Update failed",
    "edge-not-guarding": "Edge does not guard", "feed-stale": "Feed is out of date", "sandbox-away": "Sandbox does not answer", "yara-rules-refused": "YARA rules cannot be used", "antivirus-away": "Antivirus does not answer", "holds-full": "Room for mails that wait for the sandbox is nearly full",
    "quarantine-large": "Very many mails in quarantine", "clock-off": "Clocks differ", "settings-conflict": "Settings in conflict", "settings-refused": "Shared settings cannot be used",
  } as Record<string, string>,
};
const de: typeof en = {
  title: "Alarme", none: "Alles ist in Ordnung.", list: "Was jetzt nicht in Ordnung ist",
  what: "Was", found: "Gefunden", since: "Seit", from: "Von", until: "Bis", acts: "Handlungen", on: "auf {node}", seenBy: "gesehen von {nodes}",
  acknowledge: "Bestätigen", acknowledged: "bestätigt von {who}", acknowledgedSaid: "Bestätigt: es wird nicht wieder gemeldet, bis es vorbei ist.", over: "bald vorbei",
  past: "Was vorbei ist", noPast: "Es war noch nichts.",
  nobody: "Niemand erfährt davon: weder Empfänger noch Webhooks sind eingestellt.", test: "Ausprobieren, ob Alarme ankommen", testSaid: "Eine Mail an jeden Empfänger und eine Nachricht an jeden Webhook sind unterwegs.",
  mailTrouble: "Die letzte Mail über Alarme ging nicht hinaus", hookTrouble: "Der Webhook {name} hat nichts erfahren",
  conditions: {
    "node-unreachable": "Knoten nicht erreichbar", "queue-old": "Mail wartet zu lange", "queue-long": "Zu viele Mails warten", "spool-refuses": "Ablage nimmt keine Mail an", "backend-unreachable": "Mailserver nicht erreichbar",
    "copies-lacking": "Mails ohne genügend Kopien", "certificate-ends": "Zertifikat läuft ab", "certificate-not-renewed": "Zertifikat nicht erneuert", "backup-failed": "Sicherung gescheitert", "update-failed": "Update gescheitert",
    "edge-not-guarding": "Netzrand wird nicht bewacht", "feed-stale": "Feed veraltet", "sandbox-away": "Sandbox antwortet nicht", "yara-rules-refused": "YARA-Regeln nicht verwendbar", "antivirus-away": "Virenscanner antwortet nicht", "holds-full": "Platz für Mails, die auf die Sandbox warten, fast voll",
    "quarantine-large": "Sehr viele Mails in Quarantäne", "clock-off": "Uhren weichen ab", "settings-conflict": "Einstellungen im Konflikt", "settings-refused": "Gemeinsame Einstellungen nicht verwendbar",
  },
};
export const words = { en, de };
