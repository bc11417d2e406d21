//! Frames of Q.921 §2 and §3, modulo 128, without flags, zero bits and FCS, which belong to the line.
//!
//! | octet | what |
//! |---|---|
//! | 0 | SAPI (6 bits), C/R, 0 |
//! | 1 | TEI (7 bits), 1 |
//! | 2, and 3 in I and S frames | control field |
//! | then | information field |

use crate::Side;
use crate::error::{Fault, FrameError};

/// What the C/R bit says, seen from the side that sent the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Command,
    Response,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervisory {
    Rr,
    Rnr,
    Rej,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnumbered {
    Sabme,
    Dm,
    Ui,
    Disc,
    Ua,
    Frmr,
    Xid,
}

/// The control field; numbers are modulo 128. `poll` is P in a command and F in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Information { ns: u8, nr: u8, poll: bool },
    Supervisory { kind: Supervisory, nr: u8, poll: bool },
    Unnumbered { kind: Unnumbered, poll: bool },
}

/// Supervisory frames, and the first octet of their control field (Table 5/Q.921).
const SUPERVISORY: [(Supervisory, u8); 3] = [
    (Supervisory::Rr, 0x01),
    (Supervisory::Rnr, 0x05),
    (Supervisory::Rej, 0x09),
];

/// Unnumbered frames (Table 5/Q.921): control field with P/F=0, command?, response?, information field?
const UNNUMBERED: [(Unnumbered, u8, bool, bool, bool); 7] = [
    (Unnumbered::Sabme, 0x6f, true, false, false),
    (Unnumbered::Dm, 0x0f, false, true, false),
    (Unnumbered::Ui, 0x03, true, false, true),
    (Unnumbered::Disc, 0x43, true, false, false),
    (Unnumbered::Ua, 0x63, false, true, false),
    (Unnumbered::Frmr, 0x87, false, true, true),
    (Unnumbered::Xid, 0xaf, true, true, true),
];

const POLL: u8 = 0x10;
/// FRMR's information field (Figure 6/Q.921).
const FRMR_SIZE: usize = 5;

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// 0 to 63.
    pub sapi: u8,
    /// 0 to 127.
    pub tei: u8,
    pub role: Role,
    pub control: Control,
    pub information: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads a frame that `sender` sent.
    pub fn parse(bytes: &'a [u8], sender: Side) -> Result<Self, FrameError> {
        let [first, second, control, rest @ ..] = bytes else {
            return Err(FrameError::TooShort(bytes.len()));
        };
        if first & 1 != 0 || second & 1 != 1 {
            return Err(FrameError::Address(*first, *second));
        }
        let (sapi, tei) = (first >> 2, second >> 1);
        let role = if (first & 2 != 0) == command_bit(sender) {
            Role::Command
        } else {
            Role::Response
        };
        let rejected = |fault| FrameError::Rejected { sapi, tei, fault };
        let (control, information) = if control & 3 == 3 {
            (unnumbered(*control, role, rest).map_err(rejected)?, rest)
        } else {
            let [second, information @ ..] = rest else {
                return Err(FrameError::TooShort(bytes.len()));
            };
            let numbered = numbered(*control, *second, role, information).map_err(rejected)?;
            (numbered, information)
        };
        Ok(Self {
            sapi,
            tei,
            role,
            control,
            information,
        })
    }

    /// The bytes of this frame when `sender` sends it.
    pub fn encode(&self, sender: Side) -> Vec<u8> {
        let set = (self.role == Role::Command) == command_bit(sender);
        let mut bytes = Vec::with_capacity(4 + self.information.len());
        bytes.push(self.sapi << 2 | u8::from(set) << 1);
        bytes.push(self.tei << 1 | 1);
        match self.control {
            Control::Information { ns, nr, poll } => bytes.extend([ns << 1, nr << 1 | u8::from(poll)]),
            Control::Supervisory { kind, nr, poll } => {
                let code = SUPERVISORY
                    .iter()
                    .find(|row| row.0 == kind)
                    .map_or(0, |row| row.1);
                bytes.extend([code, nr << 1 | u8::from(poll)]);
            }
            Control::Unnumbered { kind, poll } => {
                let code = UNNUMBERED.iter().find(|row| row.0 == kind).map_or(0, |row| row.1);
                bytes.push(code | if poll { POLL } else { 0 });
            }
        }
        bytes.extend_from_slice(self.information);
        bytes
    }
}

/// The C/R bit of a command (Table 2/Q.921).
fn command_bit(sender: Side) -> bool {
    sender == Side::Network
}

fn unnumbered(octet: u8, role: Role, information: &[u8]) -> Result<Control, Fault> {
    let Some((kind, _, command, response, carries)) =
        UNNUMBERED.into_iter().find(|row| row.1 == octet & !POLL)
    else {
        return Err(Fault::Control(octet));
    };
    match role {
        Role::Command if !command => return Err(Fault::NotACommand(octet)),
        Role::Response if !response => return Err(Fault::NotAResponse(octet)),
        _ => {}
    }
    if !carries && !information.is_empty() {
        return Err(Fault::Information(information.len()));
    }
    if kind == Unnumbered::Frmr && information.len() != FRMR_SIZE {
        return Err(Fault::Size(information.len()));
    }
    Ok(Control::Unnumbered {
        kind,
        poll: octet & POLL != 0,
    })
}

fn numbered(first: u8, second: u8, role: Role, information: &[u8]) -> Result<Control, Fault> {
    let (nr, poll) = (second >> 1, second & 1 != 0);
    if first & 1 == 0 {
        return match role {
            Role::Command => Ok(Control::Information {
                ns: first >> 1,
                nr,
                poll,
            }),
            Role::Response => Err(Fault::NotAResponse(first)),
        };
    }
    let Some((kind, _)) = SUPERVISORY.into_iter().find(|row| row.1 == first) else {
        return Err(Fault::Control(first));
    };
    if !information.is_empty() {
        return Err(Fault::Information(information.len()));
    }
    Ok(Control::Supervisory { kind, nr, poll })
}
