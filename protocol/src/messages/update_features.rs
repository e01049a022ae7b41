//! `UpdateFeatures`, key 57, versions 0-2. Raises or lowers the features in force on the cluster (KIP-584).
//!
//! History: v1 kinds of change and dry run, v2 no results of single features.

use crate::{message::Message, wire::WireStr};

/// Changes, made all or none.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 57, side = "request", versions = 0..=2, flexible = 0)]
pub struct UpdateFeaturesRequest {
    /// How long to wait for the change, in milliseconds.
    #[wire(default = 60_000)]
    pub timeout_ms: i32,
    /// Changes by feature.
    pub feature_updates: Vec<FeatureUpdateKey>,
    /// Check everything that the real call would, but change nothing.
    #[wire(since = 1)]
    pub validate_only: bool,
}

/// Change of one feature.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct FeatureUpdateKey {
    /// Name of the feature.
    pub feature: WireStr,
    /// Level that shall be in force; 0 = switch it off.
    pub max_version_level: i16,
    /// Whether the level may fall. Version 0 only.
    #[wire(until = 0)]
    pub allow_downgrade: bool,
    /// 1 may only rise, 2 may fall if nothing is lost, 3 may fall at any price.
    #[wire(since = 1, default = 1)]
    pub upgrade_type: i8,
}

/// Whether the changes were made.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 57, side = "response", versions = 0..=2, flexible = 0)]
pub struct UpdateFeaturesResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// One result a feature, before version 2.
    #[wire(until = 1, ignorable)]
    pub results: Vec<UpdatableFeatureResult>,
}

/// Outcome for one feature.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct UpdatableFeatureResult {
    /// Name of the feature.
    pub feature: WireStr,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
