const en = {
  title: "Your quarantine", text: "Mail to {address} that was held back. What you do not want needs nothing: it is deleted after its time.",
  askTitle: "Your mail in quarantine", askText: "Write your mail address. If it is one of this gateway's, a link to log in is sent to it.", address: "Mail address", ask: "Send me a link", asked: "If this address is one of this gateway's, a link is on its way. It is good once.",
  openTitle: "Your mail in quarantine", openText: "Your link is used up by this button, not by having come here.", open: "Open my quarantine",
  empty: "Nothing is held back for you.", time: "Time", sender: "Sender", subject: "Subject", noSubject: "(no subject)", expires: "Deleted after", size: "Size", reason: "Held back for", acts: "Actions", list: "Mails held back", nullPath: "<> (a notification)",
  release: "Deliver", delete: "Delete", look: "Look", back: "Back", releaseAsk: "Deliver this mail?", releaseText: "It goes to your mailbox as it came.", deleteAsk: "Delete this mail?", deleteText: "It is gone for good.", releasedSaid: "On its way to you.", deletedSaid: "Deleted.",
  message: "Text of the mail", messageText: "Shown as text: nothing in it works, nothing is loaded from elsewhere.", noText: "There is no text in it.", links: "Where its links lead", parts: "Parts", noParts: "No parts.", file: "File name", type: "Said to be", trueType: "Looks like", notYours: "This mail is not delivered from here: ask your administrator.",
};
const de: typeof en = {
  title: "Ihre Quarantäne", text: "Zurückgehaltene Mail an {address}. Was Sie nicht wollen, braucht nichts: nach seiner Frist wird es gelöscht.",
  askTitle: "Ihre Mail in Quarantäne", askText: "Geben Sie Ihre Mailadresse ein. Gehört sie zu diesem Gateway, wird ein Link zur Anmeldung an sie gesendet.", address: "Mailadresse", ask: "Link senden", asked: "Gehört die Adresse zu diesem Gateway, ist ein Link unterwegs. Er gilt einmal.",
  openTitle: "Ihre Mail in Quarantäne", openText: "Ihr Link wird durch diesen Knopf verbraucht, nicht dadurch, dass Sie hierher kamen.", open: "Meine Quarantäne öffnen",
  empty: "Für Sie ist nichts zurückgehalten.", time: "Zeit", sender: "Absender", subject: "Betreff", noSubject: "(kein Betreff)", expires: "Gelöscht nach", size: "Größe", reason: "Zurückgehalten wegen", acts: "Handlungen", list: "Zurückgehaltene Mails", nullPath: "<> (eine Benachrichtigung)",
  release: "Zustellen", delete: "Löschen", look: "Ansehen", back: "Zurück", releaseAsk: "Diese Mail zustellen?", releaseText: "Sie geht in Ihr Postfach, wie sie kam.", deleteAsk: "Diese Mail löschen?", deleteText: "Endgültig.", releasedSaid: "Unterwegs zu Ihnen.", deletedSaid: "Gelöscht.",
  message: "Text der Mail", messageText: "Als Text gezeigt: nichts darin wirkt, nichts wird von anderswo geladen.", noText: "Sie enthält keinen Text.", links: "Wohin ihre Links führen", parts: "Teile", noParts: "Keine Teile.", file: "Dateiname", type: "Angeblich", trueType: "Sieht aus wie", notYours: "Diese Mail wird von hier nicht zugestellt: fragen Sie Ihren Administrator.",
};
export const words = { en, de };
