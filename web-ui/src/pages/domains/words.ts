const en = {
  title: "Domains", text: "The domains that mail is taken for, and the mail servers it goes to.",
  change: "Change", results: "Domains", empty: "No domain is set: no mail is taken.", domain: "Domain", every: "every other domain", below: "all domains below {name}", recipients: "Recipients", checks: { none: "all are taken", table: "{n} in a table", callout: "the mail server is asked" },
  hops: "Goes to, in order", noHops: "no mail server is set", avoided: "failed a short while ago", waiting: "Waiting", state: "State", idle: "no mail lately", nextProbe: "tried again {when}",
  smarthosts: "smarthosts, for all mail to others",
  try: "Try the mail servers", tryText: "Connects to every address now, with TLS and login as they are set. No mail is sent.", tryRecipient: "Would it take mail to", tryRecipientHint: "erika@example.org; empty: only the connection is tried", tryDo: "Try now",
  tried: "What they said", host: "Mail server", line: "Connection", clear: "in clear", checked: "certificate checked", unchecked: "certificate not checked", answer: "Answer", fine: "takes mail", took: "{ms} ms",
};
const de: typeof en = {
  title: "Domains", text: "Die Domains, für die Mail angenommen wird, und die Mailserver, zu denen sie geht.",
  change: "Ändern", results: "Domains", empty: "Keine Domain ist eingestellt: es wird keine Mail angenommen.", domain: "Domain", every: "jede andere Domain", below: "alle Domains unter {name}", recipients: "Empfänger", checks: { none: "alle werden genommen", table: "{n} in einer Tabelle", callout: "der Mailserver wird gefragt" },
  hops: "Geht an, der Reihe nach", noHops: "kein Mailserver ist eingestellt", avoided: "vor Kurzem gescheitert", waiting: "Wartend", state: "Zustand", idle: "zuletzt keine Mail", nextProbe: "neuer Versuch {when}",
  smarthosts: "Smarthosts, für alle Mail an andere",
  try: "Mailserver ausprobieren", tryText: "Verbindet sich jetzt mit jeder Adresse, mit TLS und Anmeldung wie eingestellt. Es wird keine Mail geschickt.", tryRecipient: "Würde er Mail annehmen an", tryRecipientHint: "erika@example.org; leer: nur die Verbindung wird versucht", tryDo: "Jetzt ausprobieren",
  tried: "Was sie sagten", host: "Mailserver", line: "Verbindung", clear: "unverschlüsselt", checked: "Zertifikat geprüft", unchecked: "Zertifikat nicht geprüft", answer: "Antwort", fine: "nimmt Mail an", took: "{ms} ms",
};
export const words = { en, de };
