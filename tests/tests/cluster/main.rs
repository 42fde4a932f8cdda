//! Equal peers as their users have them: nodes on hosts of their own around a switch that can be cut, mail from a client, a mail
//! server behind. Each scenario says step by step what it did and what it counted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agreement;
mod alerts;
mod digests;
mod disturbances;
mod loss;
mod membership;
mod reports;
mod rolling;
mod sandbox;
mod shared;
mod upgrade;
mod user_lists;
mod world;
