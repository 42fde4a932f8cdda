//! An index of mails in files: a tab-separated table that says what the files do not, the envelope.
//!
//! Its first line names the columns: `file` (relative to the index's folder) and any of `client_ip`,
//! `helo`, `mail_from`, `rcpt_to` (several with commas between). Other columns are passed over.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use postern_filter::offline::Arrival;

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the index {path} cannot be read: {source}")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the index {path} has no column `file` in its first line")]
    NoFileColumn { path: PathBuf },
    #[error("the index {path}, line {line}: `{value}` is no IP address")]
    Address { path: PathBuf, line: usize, value: String },
}

#[derive(Debug, Default)]
pub struct Index(HashMap<PathBuf, Arrival>);

impl Index {
    /// # Errors
    /// When it cannot be read, has no column `file`, or a client's address is none.
    pub fn read(path: &Path) -> Result<Self, IndexError> {
        let octets = fs::read(path).map_err(|source| IndexError::Unreadable { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&String::from_utf8_lossy(&octets), folder, path)
    }

    fn parse(text: &str, folder: &Path, path: &Path) -> Result<Self, IndexError> {
        let mut lines = text.lines().enumerate();
        let columns: Vec<&str> = lines.next().map(|(_, l)| l.split('\t').map(str::trim).collect()).unwrap_or_default();
        let column = |name: &str| columns.iter().position(|c| *c == name);
        let file = column("file").ok_or_else(|| IndexError::NoFileColumn { path: path.to_owned() })?;
        let [client_ip, helo, mail_from, rcpt_to] = ["client_ip", "helo", "mail_from", "rcpt_to"].map(column);
        let mut entries = HashMap::new();
        for (at, line) in lines {
            let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
            let cell = |column: Option<usize>| column.and_then(|c| cells.get(c)).copied().unwrap_or_default();
            let name = cell(Some(file));
            if name.is_empty() {
                continue;
            }
            let address = cell(client_ip);
            let client_ip = match address.parse() {
                Ok(ip) => Some(ip),
                Err(_) if address.is_empty() => None,
                Err(_) => return Err(IndexError::Address { path: path.to_owned(), line: at + 1, value: address.to_owned() }),
            };
            let recipients = cell(rcpt_to).split(',').map(str::trim).filter(|r| !r.is_empty()).map(str::to_owned).collect();
            let sender = mail_from.map(|_| cell(mail_from).trim_matches(['<', '>']).to_owned());
            entries.insert(absolute(&folder.join(name)), Arrival { client_ip, helo: cell(helo).to_owned(), mail_from: sender, recipients });
        }
        Ok(Self(entries))
    }

    pub fn find(&self, file: &Path) -> Option<&Arrival> {
        self.0.get(&absolute(file))
    }
}

/// The same file has one name, however it was reached: symbolic links resolved where it exists.
fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_files_by_any_way_there() {
        let text = "label\tfile\tclient_ip\tmail_from\trcpt_to\nspam\ta/1.eml\t192.0.2.7\t\tx@y.example, z@y.example\nham\tb.eml\t\tc@d.example\t\n";
        let index = Index::parse(text, Path::new("/mails"), Path::new("/mails/index.tsv")).unwrap();
        let one = index.find(Path::new("/mails/a/1.eml")).unwrap();
        assert_eq!((one.client_ip, one.mail_from.as_deref(), one.recipients.len()), ("192.0.2.7".parse().ok(), Some(""), 2));
        assert_eq!(index.find(Path::new("/mails/./b.eml")).unwrap().mail_from.as_deref(), Some("c@d.example"));
        assert!(index.find(Path::new("/mails/c.eml")).is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let parse = |text: &str| Index::parse(text, Path::new("/m"), Path::new("/m/i.tsv")).unwrap_err().to_string();
        assert!(parse("name\tip\n").contains("`file`"));
        assert!(parse("file\tclient_ip\na\t192.0.2.1\nb\tmail.example\n").contains("line 3: `mail.example`"));
    }
}
