import type { Words } from "./en";

export const de: Words = {
  login: "Anmelden", logout: "Abmelden", name: "Name", password: "Passwort", skip: "Zum Inhalt springen",
  pages: "Seiten", overview: "Übersicht", tracking: "Verfolgung", quarantine: "Quarantäne", queue: "Warteschlange", reports: "Berichte", backups: "Sicherungen", detection: "Erkennung", domains: "Domains", edge: "Netzrand", cluster: "Cluster", account: "Konto",
  language: "English", theme: "Dunkles Design", loading: "Wird geladen", retry: "Noch einmal", menu: "Menü",
  unreachable: "Der Knoten antwortet nicht. Vielleicht startet er gerade neu.",
  setUpTitle: "Diese Maschine einrichten", setUpText: "Fünf Antworten, und sie kann Mail annehmen. Der Knoten startet unter seinem neuen Namen neu.", setUpName: "Vollständiger Name", setUpNetwork: "Adresse und Gateway", setUpNetworkHint: "dhcp, oder 192.0.2.10/24 192.0.2.1", setUpServers: "Nameserver", setUpServersHint: "leer: die, die DHCP nennt", setUpZone: "Zeitzone (leer: UTC)", setUpDomain: "Eine Domain und ihr Mailserver", setUpDo: "Einrichten", setUpLater: "Später", setUpMoved: "Sie ist eingerichtet und antwortet hier nicht mehr: machen Sie unter ihrer neuen Adresse weiter.",
  firstTitle: "Passwort wählen", firstText: "Das Passwort dieser Anmeldung wurde beim ersten Start einmal ausgegeben. Setzen Sie ein eigenes; alle anderen Anmeldungen von Ihnen enden.",
  code: "Code", codeText: "Der Code, den Ihr Authenticator für Postern zeigt, oder einer Ihrer Wiederherstellungscodes.",
  oldPassword: "Einmal-Passwort", newPassword: "Neues Passwort", repeat: "Neues Passwort noch einmal", differ: "Die beiden neuen Passwörter sind verschieden.", set: "Passwort setzen",
  notReady: "Der Knoten nimmt keine Mail an: er startet oder beendet sich.", backupTrouble: "Die letzte Sicherung ist gescheitert", spoolTrouble: "Die Ablage nimmt keine Mail an",
  accepted: "Angenommen", tagged: "Markiert", quarantined: "In Quarantäne", rejected: "Abgewiesen", deferred: "Aufgeschoben", discarded: "Verworfen",
  inQueue: "In der Warteschlange", held: "In der Quarantäne", sinceStart: "Mails seit dem Start",
  last24: "Mails der letzten 24 Stunden", noMail: "Keine Mail in den letzten 24 Stunden.", chartHelp: "Mails je Stunde, nach Behandlung. Dieselben Zahlen folgen als Tabelle.",
  figures: "Zahlen als Tabelle", hour: "Stunde",
  node: "Knoten", version: "Version", uptime: "Läuft seit", deliveries: "Zugestellt, aufgeschoben, gescheitert", spool: "Ablage", spoolValue: "{mails} Mails, {octets} auf der Platte",
  nodes: "Knoten im Cluster", alone: "Dieser Knoten ist in keinem Cluster.", dropsByReason: "Am Netzrand verworfene Pakete, nach Grund", noDrops: "Nichts wurde verworfen.", noEdge: "Der Netzrand ist nicht verbunden: er braucht seine Rolle und das Recht, XDP-Programme zu laden.",
  reason: "Grund", packets: "Pakete", state: "Zustand", live: "Live", polling: "Verbindung verloren; neuer Versuch läuft",
  policy: "Richtlinien", system: "System", settings: "Einstellungen", access: "Zugang", audit: "Protokoll",
  search: "Suchen", clear: "Leeren", moreFilters: "Mehr Filter", lessFilters: "Weniger Filter", older: "Ältere zeigen", selectAll: "Alle gezeigten auswählen", selectRow: "Zeile auswählen",
  close: "Schließen", cancel: "Abbrechen", save: "Speichern", refresh: "Neu laden", typeToConfirm: "Schreiben Sie {word} zur Bestätigung", subject: "Betreff", mishap: "Diese Seite ist gescheitert", reload: "Konsole neu laden",
  marks: {
    accept: "angenommen", tag: "markiert", hold: "wartet auf die Sandbox", quarantine: "in Quarantäne", defer: "aufgeschoben", reject: "abgewiesen", discard: "verworfen", held: "gehalten", released: "freigegeben", deleted: "gelöscht",
    pending: "offen", delivered: "zugestellt", failed: "gescheitert", removed: "entfernt",
    active: "wird gesendet", ready: "bereit", waiting: "wartet", serving: "im Dienst", draining: "wird geleert", drained: "geleert", good: "erreichbar", untried: "noch nicht versucht", "back-off": "nicht erreichbar", probing: "wird versucht", silent: "schweigt", lost: "verloren", unknown: "unbekannt",
  },
};
