//! Words of a mail that may open what is encrypted in it: what stands behind "password" first, then whatever looks like one.

use postern_mail::message::Message;

/// As many as a cell tries on one file.
const MOST: usize = 64;
/// Octets of text that are looked at.
const TEXT: usize = 32 * 1024;
const SHORTEST: usize = 3;
const LONGEST: usize = 64;

/// In the languages that such mails come in.
const HINTS: &[&str] = &[
    "password",
    "passwort",
    "kennwort",
    "passcode",
    "passphrase",
    "pass",
    "pwd",
    "pw",
    "pin",
    "code",
    "contraseña",
    "clave",
    "hasło",
    "пароль",
    "senha",
    "wachtwoord",
];
/// Words between the hint and the password: "the password is: 4711".
const NEAR: usize = 5;
/// What writers put around a word.
const AROUND: &[char] = &['"', '\'', '.', ',', ';', ':', '(', ')', '<', '>', '[', ']', '„', '“', '”', '*'];

/// Best first, each once.
pub fn of(message: &Message) -> Vec<String> {
    let mut end = TEXT.min(message.text.len());
    while !message.text.is_char_boundary(end) {
        end -= 1;
    }
    let text = message.subject.iter().map(String::as_str).chain([&message.text[..end]]);
    let words: Vec<&str> = text.flat_map(str::split_whitespace).collect();
    let mut found = Vec::new();
    let mut left = 0;
    for word in &words {
        if is_hint(word) {
            left = NEAR;
            // "password:4711"
            if let Some((_, behind)) = word.split_once([':', '=']) {
                add(&mut found, behind);
            }
        } else if left > 0 {
            left -= 1;
            add(&mut found, word);
        }
    }
    for word in words.iter().filter(|w| w.chars().any(|c| c.is_ascii_digit() || "!#$%&*+@_".contains(c))) {
        add(&mut found, word);
    }
    for word in &words {
        add(&mut found, word);
    }
    found
}

fn is_hint(word: &str) -> bool {
    let word = word.split([':', '=']).next().unwrap_or_default().trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    HINTS.contains(&word.as_str())
}

/// A word as it stands, and without what is around it.
fn add(found: &mut Vec<String>, word: &str) {
    for word in [word.trim_matches(AROUND), word] {
        if found.len() < MOST && (SHORTEST..=LONGEST).contains(&word.len()) && !found.iter().any(|f| f == word) {
            found.push(word.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Vec<String> {
        of(&Message { text: text.to_owned(), ..Message::default() }).into_iter().take(3).collect()
    }

    #[test]
    fn what_stands_behind_the_word_comes_first() {
        assert_eq!(first("Dear Sir, see the file. The password is \"4711\" Regards"), ["4711", "\"4711\"", "Regards"]);
        assert_eq!(first("Hallo, Passwort:Geheim! liegt bei")[0], "Geheim!");
        assert_eq!(first("archive, pw = x9-Q")[0], "x9-Q");
        assert_eq!(first("see you at 10:30 or B-52"), ["10:30", "B-52", "see"], "then what looks like one");
    }

    #[test]
    fn no_more_than_a_cell_tries() {
        let text: String = (0..10_000).map(|n| format!("word{n} ")).collect();
        assert_eq!(of(&Message { text, ..Message::default() }).len(), MOST);
    }
}
