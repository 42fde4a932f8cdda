//! The judgement: facts about a mail in, a verdict out. Pure: no clock, no network, no file.
//!
//! Read first: [`facts`].

pub mod facts;
