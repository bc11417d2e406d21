//! What is written about a call.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{CallId, LegId, PlaceName};

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    Caller,
    Called,
    /// The exchange itself: nowhere to go, a limit, a time that ran out, an operator.
    Exchange,
}

/// One place that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub place: String,
    pub number: String,
    /// Why nothing came of it (Q.850); none: the call was connected there, or its caller gave up.
    pub cause: Option<u8>,
}

/// A call detail record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub call: u64,
    pub began: Timestamp,
    /// When it first rang.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rang: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Timestamp>,
    pub ended: Timestamp,
    pub from: String,
    /// Where it was connected, or tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// As it came, hidden or not.
    pub calling: String,
    pub hidden: bool,
    pub dialled: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<String>,
    pub emergency: bool,
    /// Made by the site itself, to see whether it works.
    pub test: bool,
    /// The extensions that sent it on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forwarded: Vec<String>,
    pub attempts: Vec<Attempt>,
    pub ended_by: EndedBy,
    /// What the caller's side was told, or said itself (Q.850).
    pub caller_cause: u8,
    /// The same of the side that was called, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_cause: Option<u8>,
    /// Its legs, for whoever knows more of them: the caller's, then one for each place that was called.
    #[serde(skip)]
    pub legs: Vec<LegId>,
}

impl Record {
    pub(crate) fn new(call: CallId, began: Timestamp, from: &PlaceName) -> Self {
        Self {
            call: call.number(),
            began,
            rang: None,
            answered: None,
            ended: began,
            from: from.to_string(),
            to: None,
            calling: String::new(),
            hidden: false,
            dialled: String::new(),
            connected: None,
            emergency: false,
            test: false,
            forwarded: Vec::new(),
            attempts: Vec::new(),
            ended_by: EndedBy::Exchange,
            caller_cause: 0,
            called_cause: None,
            legs: Vec::new(),
        }
    }
}
