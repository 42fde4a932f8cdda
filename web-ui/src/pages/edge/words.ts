const en = {
  title: "Edge", text: "What the XDP program does before a connection exists: bans, feeds, limits. It goes on when everything else has stopped.",
  away: "The edge is not connected", awayText: "It needs its role (postern edge, as root). A program that was pinned before stays in force without it.",
  bans: "Bans", noBans: "Nobody is banned.", network: "Address or network", reason: "Reason", from: "Since", until: "Until", count: "Bans so far", by: "By", evidence: "Evidence", acts: "Actions", lift: "Lift", liftAsk: "Lift the ban of {network}?", liftText: "On all nodes of the cluster. Its next misdeed counts anew.", liftedSaid: "The ban of {network} is lifted.",
  ban: "Ban somebody", duration: "For", durationHint: "as in 30m, 1d", evidenceHint: "why, for people", banButton: "Ban", bannedSaid: "{network} is banned.", networkHint: "192.0.2.66, 192.0.2.0/24, 2001:db8::/32", filter: "Only with", more: "The newest {n} are shown.",
  counters: "Packets", counter: "What", packets: "Packets", octets: "Octets", kind: "Kind", dropped: "dropped", passed: "passed", noCounters: "Nothing was counted.",
  samples: "Dropped lately", samplesText: "One in some; what was dropped, and why.", noSamples: "Nothing was dropped.", at: "When", source: "From", port: "To port", length: "Octets",
  trace: "Trace an address", traceText: "What would happen to a packet from it now, and why. Nothing is sent.", address: "Address", traceButton: "Trace", established: "It belongs to a connection that is open already", traced: "{action}: {reason}",
  feeds: "Feeds", noFeeds: "No feed is configured.", feed: "Feed", entries: "Entries", loaded: "Read", error: "Trouble", reload: "Read again now", reloadedSaid: "The feeds are read again.", never: "never",
  interfaces: "Interfaces", noInterfaces: "No interface is guarded.", interface: "Interface", mode: "Mode", attached: "Guarded", yes: "yes", no: "no",
  ring: "Who serves the virtual addresses", ringText: "By the plan {digest}, on {interface}: nodes that show the same plan send each client to the same node.", ringStale: "The node has not repeated its plan in time: this one owns no address until it does.", node: "Node", thisNode: "{name} (this one)", state: "State", share: "Of new clients", way: "Reached by", addresses: "Virtual addresses", virtual: "Virtual address", owned: "Answered here", conflicts: "Announced by others, too",
};
const de: typeof en = {
  title: "Netzrand", text: "Was das XDP-Programm tut, bevor es eine Verbindung gibt: Sperren, Feeds, Grenzen. Es wirkt weiter, wenn alles andere steht.",
  away: "Der Netzrand ist nicht verbunden", awayText: "Er braucht seine Rolle (postern edge, als root). Ein früher verankertes Programm wirkt ohne sie weiter.",
  bans: "Sperren", noBans: "Niemand ist gesperrt.", network: "Adresse oder Netz", reason: "Grund", from: "Seit", until: "Bis", count: "Sperren bisher", by: "Von", evidence: "Beleg", acts: "Handlungen", lift: "Aufheben", liftAsk: "Die Sperre von {network} aufheben?", liftText: "Auf allen Knoten des Clusters. Die nächste Untat zählt neu.", liftedSaid: "Die Sperre von {network} ist aufgehoben.",
  ban: "Jemanden sperren", duration: "Für", durationHint: "etwa 30m, 1d", evidenceHint: "warum, für Menschen", banButton: "Sperren", bannedSaid: "{network} ist gesperrt.", networkHint: "192.0.2.66, 192.0.2.0/24, 2001:db8::/32", filter: "Nur mit", more: "Gezeigt sind die neuesten {n}.",
  counters: "Pakete", counter: "Was", packets: "Pakete", octets: "Oktette", kind: "Art", dropped: "verworfen", passed: "durchgelassen", noCounters: "Nichts wurde gezählt.",
  samples: "Zuletzt verworfen", samplesText: "Stichproben: was verworfen wurde, und warum.", noSamples: "Nichts wurde verworfen.", at: "Wann", source: "Von", port: "An Port", length: "Oktette",
  trace: "Eine Adresse verfolgen", traceText: "Was mit einem Paket von ihr jetzt geschähe, und warum. Nichts wird gesendet.", address: "Adresse", traceButton: "Verfolgen", established: "Es gehört zu einer schon offenen Verbindung", traced: "{action}: {reason}",
  feeds: "Feeds", noFeeds: "Kein Feed ist eingerichtet.", feed: "Feed", entries: "Einträge", loaded: "Gelesen", error: "Störung", reload: "Jetzt neu lesen", reloadedSaid: "Die Feeds werden neu gelesen.", never: "nie",
  interfaces: "Schnittstellen", noInterfaces: "Keine Schnittstelle wird bewacht.", interface: "Schnittstelle", mode: "Modus", attached: "Bewacht", yes: "ja", no: "nein",
  ring: "Wer die virtuellen Adressen bedient", ringText: "Nach dem Plan {digest}, an {interface}: Knoten mit demselben Plan schicken jeden Client zum selben Knoten.", ringStale: "Der Knoten hat seinen Plan nicht rechtzeitig wiederholt: dieser hält keine Adresse, bis er es tut.", node: "Knoten", thisNode: "{name} (dieser)", state: "Zustand", share: "Von neuen Clients", way: "Erreicht durch", addresses: "Virtuelle Adressen", virtual: "Virtuelle Adresse", owned: "Hier beantwortet", conflicts: "Auch von anderen angekündigt",
};
export const words = { en, de };
