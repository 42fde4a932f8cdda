//! Prints what is read from a mail: `cargo run -p postern-mail --example show FILE`.

use postern_mail::message::Limits;

fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        let mail = std::fs::read(&path)?;
        let message = postern_mail::read(&mail, &Limits::default());
        println!("{}", serde_json::to_string_pretty(&message)?);
    }
    Ok(())
}
