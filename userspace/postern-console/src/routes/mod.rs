//! One file for each noun of the API.

pub mod admins;
pub mod audit;
pub mod backups;
pub mod certificate;
pub mod cluster;
pub mod duty;
pub mod edge;
pub mod explain;
pub mod health;
pub mod journeys;
pub mod live;
pub mod metrics;
pub mod policy;
pub mod quarantine;
pub mod queue;
pub mod session;
pub mod set_up;
pub mod settings;
pub mod settings_history;
pub mod status;
pub mod symbols;
pub mod system;
pub mod tokens;
pub mod update;
pub mod web_ui;
