const en = {
  title: "System", text: "The machine under this node: its two slots, updates, restart.",
  away: "This node does not run on the appliance", awayText: "Slots, updates and restart are the appliance's. Here the machine's own tools do it.",
  health: "Health", good: "Everything works", version: "Version", medium: "Runs from", firmware: "Firmware", data: "Data partition", guarded: "Guarded interfaces", setUp: "Set up by", live: "a live system", slot: "slot {name}",
  slots: "Slots", noSlots: "A live system has none.", slotName: "Slot", state: "State", running: "running", wanted: "started next", trial: "on trial", tries: "Tries left", emptySlot: "empty",
  update: "Update", updateText: "A file postern-VERSION.update. It is checked, written into the other slot and read back; nothing changes before a restart, and a system that does not become healthy gives way to the one before.",
  file: "Update file", choose: "Choose a file", where: "For", thisNode: "this node", allNodes: "all nodes, one after the other", restart: "Restart into it when it is written", older: "Also when it is older", upload: "Upload", uploading: "Uploading", sentSaid: "The update is here.", sentAllSaid: "The update of all nodes has begun.",
  stage: "{stage}: version {version}", ready: "Version {version} is written; the next start is its trial.", failed: "The update failed", last: "Last update", lastText: "{from} to {to} in slot {slot}: {outcome}",
  rolling: "Update of all nodes", rollingText: "To version {version}", node: "Node", step: "Step", noRolling: "No nodes.",
  machine: "The machine's own settings", machineText: "Name, time, name servers, interfaces (TOML). Put in force at once: a wrong address cuts this page off.", machineSave: "Put in force", machineSaid: "In force; changed: {files}.", machineSame: "Nothing changed.",
  power: "Restart and power", reboot: "Restart", rebootAsk: "Restart this machine?", rebootText: "Drain the node before, when it has peers: then nothing waits for it meanwhile.", rebootSaid: "It restarts.", powerOff: "Switch off", powerOffAsk: "Switch this machine off?", powerOffText: "It comes back only when somebody switches it on.", powerOffSaid: "It switches off.",
  rollBack: "Go back to the other slot", rollBackAsk: "Start the other slot at the next restart?", rollBackText: "With its settings. This slot comes back if that one does not become healthy.", rollBackSaid: "The other slot is started at the next restart.",
  reset: "Factory reset", resetAsk: "Lose everything on this machine?", resetText: "Settings, keys and mails of this machine are deleted, and it restarts.", resetSaid: "It is reset.", bundle: "Support bundle", bundleText: "Log and versions as text, without mails, keys and passwords.",
};
const de: typeof en = {
  title: "System", text: "Die Maschine unter diesem Knoten: ihre beiden Slots, Updates, Neustart.",
  away: "Dieser Knoten läuft nicht auf der Appliance", awayText: "Slots, Updates und Neustart gehören zur Appliance. Hier tun es die eigenen Werkzeuge der Maschine.",
  health: "Gesundheit", good: "Alles funktioniert", version: "Version", medium: "Läuft von", firmware: "Firmware", data: "Datenpartition", guarded: "Bewachte Schnittstellen", setUp: "Eingerichtet durch", live: "einem Live-System", slot: "Slot {name}",
  slots: "Slots", noSlots: "Ein Live-System hat keine.", slotName: "Slot", state: "Zustand", running: "läuft", wanted: "startet als nächster", trial: "auf Probe", tries: "Versuche übrig", emptySlot: "leer",
  update: "Update", updateText: "Eine Datei postern-VERSION.update. Sie wird geprüft, in den anderen Slot geschrieben und zurückgelesen; vor einem Neustart ändert sich nichts, und ein System, das nicht gesund wird, weicht dem vorigen.",
  file: "Update-Datei", choose: "Datei wählen", where: "Für", thisNode: "diesen Knoten", allNodes: "alle Knoten, einen nach dem anderen", restart: "Neu starten, wenn es geschrieben ist", older: "Auch wenn es älter ist", upload: "Hochladen", uploading: "Wird hochgeladen", sentSaid: "Das Update ist da.", sentAllSaid: "Das Update aller Knoten hat begonnen.",
  stage: "{stage}: Version {version}", ready: "Version {version} ist geschrieben; der nächste Start ist die Probe.", failed: "Das Update ist gescheitert", last: "Letztes Update", lastText: "{from} auf {to} in Slot {slot}: {outcome}",
  rolling: "Update aller Knoten", rollingText: "Auf Version {version}", node: "Knoten", step: "Schritt", noRolling: "Keine Knoten.",
  machine: "Einstellungen der Maschine selbst", machineText: "Name, Zeit, Nameserver, Schnittstellen (TOML). Sofort in Kraft: eine falsche Adresse schneidet diese Seite ab.", machineSave: "In Kraft setzen", machineSaid: "In Kraft; geändert: {files}.", machineSame: "Nichts geändert.",
  power: "Neustart und Strom", reboot: "Neu starten", rebootAsk: "Diese Maschine neu starten?", rebootText: "Leeren Sie den Knoten vorher, wenn er andere hat: dann wartet unterdessen nichts auf ihn.", rebootSaid: "Sie startet neu.", powerOff: "Ausschalten", powerOffAsk: "Diese Maschine ausschalten?", powerOffText: "Sie kommt nur wieder, wenn jemand sie einschaltet.", powerOffSaid: "Sie schaltet sich aus.",
  rollBack: "Zurück zum anderen Slot", rollBackAsk: "Beim nächsten Neustart den anderen Slot starten?", rollBackText: "Mit seinen Einstellungen. Dieser Slot kommt wieder, wenn jener nicht gesund wird.", rollBackSaid: "Beim nächsten Neustart startet der andere Slot.",
  reset: "Werkseinstellungen", resetAsk: "Alles auf dieser Maschine verlieren?", resetText: "Einstellungen, Schlüssel und Mails dieser Maschine werden gelöscht, und sie startet neu.", resetSaid: "Sie wird zurückgesetzt.", bundle: "Support-Paket", bundleText: "Log und Versionen als Text, ohne Mails, Schlüssel und Passwörter.",
};
export const words = { en, de };
