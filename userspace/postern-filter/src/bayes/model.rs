//! A model as a file: learned counts with their combiner. The starting model is one, compiled in.
//!
//! Format: the line `postern-bayes 1`, the combiner's table, an empty line, then little-endian: mails
//! of spam and of ham (u32 each), number of features (u32), the features in rising order (u64 each),
//! their counts in spam (u16 each), their counts in ham (u16 each).

use super::combiner::{Combiner, CombinerError};
use super::tokens::{Counts, Tokens};

const HEAD: &str = "postern-bayes 1\n";

#[derive(Clone, Debug)]
pub struct Model {
    pub tokens: Tokens,
    pub combiner: Combiner,
}

#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("this is no model of version 1")]
    Head,
    #[error("the model's combiner: {0}")]
    Combiner(#[from] CombinerError),
    #[error("the model ends early: {expected} octets belong there, {found} are")]
    Length { expected: usize, found: usize },
}

impl Model {
    /// # Errors
    /// When it is no model, of another version, or cut.
    pub fn read(file: &[u8]) -> Result<Self, ModelError> {
        let rest = file.strip_prefix(HEAD.as_bytes()).ok_or(ModelError::Head)?;
        let end = memchr::memmem::find(rest, b"\n\n").ok_or(ModelError::Head)?;
        let text = std::str::from_utf8(&rest[..end]).map_err(|_| ModelError::Head)?;
        let combiner = Combiner::parse(text)?;
        let body = &rest[end + 2..];
        let number = |at: usize| -> Result<u32, ModelError> {
            let octets = body.get(at..at + 4).and_then(|o| o.try_into().ok());
            octets.map(u32::from_le_bytes).ok_or(ModelError::Length { expected: 12, found: body.len() })
        };
        let learned = Counts { spam: number(0)?, ham: number(4)? };
        let features = number(8)? as usize;
        let expected = features.saturating_mul(12).saturating_add(12);
        if body.len() != expected {
            return Err(ModelError::Length { expected, found: body.len() });
        }
        let (names, counts) = body[12..].split_at(features * 8);
        let (spam, ham) = counts.split_at(features * 2);
        // Half of the slots stay empty: an unknown feature is then told from its neighbours in two steps, not in eighteen.
        let mut tokens = Tokens::with_capacity(features * 5 / 3);
        let count = |octets: &[u8]| octets.try_into().map(u16::from_le_bytes).unwrap_or_default().into();
        for (name, (spam, ham)) in names.chunks_exact(8).zip(spam.chunks_exact(2).zip(ham.chunks_exact(2))) {
            let feature = name.try_into().map(u64::from_le_bytes).unwrap_or_default();
            tokens.add(feature, Counts { spam: count(spam), ham: count(ham) });
        }
        tokens.set_learned(learned);
        Ok(Self { tokens, combiner })
    }

    /// The form [`Model::read`] reads. The same model gives the same octets.
    pub fn write(&self) -> Vec<u8> {
        let learned = self.tokens.learned();
        let mut all: Vec<(u64, Counts)> = self.tokens.iter().collect();
        all.sort_unstable_by_key(|(f, _)| *f);
        let mut out = format!("{HEAD}{}\n", self.combiner.to_text()).into_bytes();
        out.extend(learned.spam.to_le_bytes());
        out.extend(learned.ham.to_le_bytes());
        out.extend(u32::try_from(all.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(all.iter().flat_map(|(f, _)| f.to_le_bytes()));
        let count = |n: u32| u16::try_from(n).unwrap_or(u16::MAX).to_le_bytes();
        out.extend(all.iter().flat_map(|(_, c)| count(c.spam)));
        out.extend(all.iter().flat_map(|(_, c)| count(c.ham)));
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::statistics::STATISTICS;
    use super::super::tokens::Class;
    use super::*;

    #[test]
    fn a_model_reads_back_and_a_cut_one_is_refused() {
        let mut tokens = Tokens::new();
        (0..500u64).for_each(|i| tokens.learn(&[i << 52, i % 9], if i % 2 == 0 { Class::Spam } else { Class::Ham }));
        let model = Model { tokens, combiner: Combiner { bias: 1.0, weights: [0.5; STATISTICS] } };
        let file = model.write();
        let back = Model::read(&file).unwrap();
        assert_eq!(back.write(), file);
        assert_eq!(back.tokens.learned(), model.tokens.learned());
        assert_eq!(back.tokens.get(3), model.tokens.get(3));
        assert!(matches!(Model::read(&file[..file.len() - 1]), Err(ModelError::Length { .. })));
        assert!(matches!(Model::read(b"hello"), Err(ModelError::Head)));
    }
}
