//! All integration tests of the crate in one program: linking it once is what costs.

mod authenticate;
mod corpus;
mod dns;
mod edit;
mod fixtures;
mod hostile;
mod properties;
mod suite_arc;
mod suite_mime;
mod suite_spf;
mod support;
