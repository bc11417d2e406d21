//! What a browser says to a desktop: RFB (RFC 6143) with the extensions that noVNC and QEMU share. Keys, pointer and
//! pictures go through; its clipboard is held back; what is not known ends the connection.

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A message of this type is not let through.
    Message(u8),
    /// It wants another kind of authentication than none: who it is was settled before.
    Security(u8),
    /// More of a list than any browser has.
    TooLong,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(kind) => write!(f, "RFB message {kind} is not let through"),
            Self::Security(kind) => write!(f, "RFB security type {kind} is not offered"),
            Self::TooLong => write!(f, "an RFB message is too long"),
        }
    }
}

/// What was in some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// A key or the pointer.
    pub touched: bool,
    /// Bytes of the clipboard that were held back.
    pub clipboard: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// ProtocolVersion, §7.1.1.
    Version,
    /// The security type that was picked, §7.1.2.
    Security,
    /// ClientInit, §7.3.1.
    Init,
    Messages,
}

/// Longer than the head of any message.
const HEAD: usize = 12;
/// Encodings, screens, bytes of a fence: more than any browser has.
const MOST: usize = 256;

/// Reads a stream in pieces of any size.
#[derive(Debug)]
pub struct Filter {
    place: Place,
    head: Vec<u8>,
    /// Bytes of the present message's body that go on, and that do not.
    pass: usize,
    hold: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            place: Place::Version,
            head: Vec::with_capacity(HEAD),
            pass: 0,
            hold: 0,
        }
    }
}

/// How the bytes at hand begin.
enum Read {
    /// Too little of it is there to know.
    More,
    /// A head of so many bytes, and so many after it.
    Message { head: usize, body: usize, touched: bool },
    /// The clipboard: a head, and so many bytes of text.
    Clipboard { head: usize, body: usize },
}

impl Filter {
    /// Puts what goes on to the desktop into `out`.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<Seen, Wrong> {
        let mut seen = Seen::default();
        loop {
            let pass = self.pass.min(bytes.len());
            out.extend_from_slice(&bytes[..pass]);
            self.pass -= pass;
            bytes = &bytes[pass..];
            let hold = self.hold.min(bytes.len());
            seen.clipboard += hold as u64;
            self.hold -= hold;
            bytes = &bytes[hold..];
            let Some((first, rest)) = bytes.split_first() else {
                return Ok(seen);
            };
            self.head.push(*first);
            bytes = rest;
            let read = self.read()?;
            match read {
                Read::More => {}
                Read::Message { body, touched, .. } => {
                    out.extend_from_slice(&self.head);
                    self.head.clear();
                    self.pass = body;
                    seen.touched |= touched;
                }
                Read::Clipboard { body, .. } => {
                    seen.clipboard += self.head.len() as u64;
                    self.head.clear();
                    self.hold = body;
                }
            }
        }
    }

    /// What the head says so far.
    fn read(&mut self) -> Result<Read, Wrong> {
        let read = match self.place {
            Place::Version => plain(HEAD),
            Place::Security => match self.head[0] {
                1 => plain(1),
                other => return Err(Wrong::Security(other)),
            },
            Place::Init => plain(1),
            Place::Messages => message(&self.head)?,
        };
        let complete = match read {
            Read::More => false,
            Read::Message { head, .. } | Read::Clipboard { head, .. } => self.head.len() >= head,
        };
        if !complete {
            return Ok(Read::More);
        }
        self.place = match self.place {
            Place::Version => Place::Security,
            Place::Security => Place::Init,
            Place::Init | Place::Messages => Place::Messages,
        };
        Ok(read)
    }
}

fn plain(head: usize) -> Read {
    Read::Message {
        head,
        body: 0,
        touched: false,
    }
}

/// §7.5, and the registry of extensions in the community's rfbproto.
fn message(head: &[u8]) -> Result<Read, Wrong> {
    let touch = |head| Read::Message {
        head,
        body: 0,
        touched: true,
    };
    let list = |length: usize, count: usize, each: usize| {
        if count > MOST {
            return Err(Wrong::TooLong);
        }
        Ok(Read::Message {
            head: length,
            body: count * each,
            touched: false,
        })
    };
    Ok(match head[0] {
        // SetPixelFormat
        0 => Read::Message {
            head: 1,
            body: 19,
            touched: false,
        },
        // SetEncodings
        2 => match head {
            [_, _, high, low, ..] => list(4, usize::from(u16::from_be_bytes([*high, *low])), 4)?,
            _ => Read::More,
        },
        // FramebufferUpdateRequest, EnableContinuousUpdates
        3 | 150 => plain(10),
        // KeyEvent
        4 => touch(8),
        // PointerEvent
        5 => touch(6),
        // ClientCutText; a length below zero is that of the extended clipboard
        6 => match head {
            [_, _, _, _, a, b, c, d, ..] => {
                let length = i32::from_be_bytes([*a, *b, *c, *d]).unsigned_abs();
                Read::Clipboard {
                    head: 8,
                    body: usize::try_from(length).map_err(|_| Wrong::TooLong)?,
                }
            }
            _ => Read::More,
        },
        // ClientFence
        248 => match head {
            [_, _, _, _, _, _, _, _, count, ..] => list(9, usize::from(*count), 1)?,
            _ => Read::More,
        },
        // SetDesktopSize
        251 => match head {
            [_, _, _, _, _, _, count, _, ..] => list(8, usize::from(*count), 16)?,
            _ => Read::More,
        },
        // QEMU's extensions, of which the key with its scan code is wanted; its sound is not
        255 => match head {
            [_, 0, ..] => touch(12),
            [_, _, ..] => return Err(Wrong::Message(255)),
            _ => Read::More,
        },
        other => return Err(Wrong::Message(other)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BEGIN: &[u8] = b"RFB 003.008\n\x01\x01";

    fn all(bytes: &[u8]) -> Result<(Vec<u8>, Seen), Wrong> {
        let mut out = Vec::new();
        let seen = Filter::default().feed(bytes, &mut out)?;
        Ok((out, seen))
    }

    fn cut_text(text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[6, 0, 0, 0], &length[..], text].concat()
    }

    #[test]
    fn keys_and_pictures_go_through_and_the_clipboard_does_not() {
        let key = [255, 0, 0, 1, 0, 0, 0, 0xe6, 0, 0, 0, 0x28];
        let request = [3, 1, 0, 0, 0, 0, 4, 0, 3, 0];
        let encodings = [&[2, 0, 0, 2][..], &[0; 8]].concat();
        let bytes = [BEGIN, &encodings, &cut_text(b"hemmelig"), &key, &request].concat();
        let (out, seen) = all(&bytes).unwrap();
        assert_eq!(out, [BEGIN, &encodings, &key, &request].concat());
        assert_eq!((seen.touched, seen.clipboard), (true, 16));
        let (_, seen) = all(&[BEGIN, &request].concat()).unwrap();
        assert!(!seen.touched, "a browser that waits is nobody at the keyboard");
    }

    #[test]
    fn the_extended_clipboard_is_held_back_too() {
        let negative = [&[6, 0, 0, 0][..], &(-4i32).to_be_bytes(), b"\x02\0\0\x01"].concat();
        let (out, seen) = all(&[BEGIN, &negative].concat()).unwrap();
        assert_eq!((out.as_slice(), seen.clipboard), (BEGIN, 12));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (bytes, wrong) in [
            (&[7][..], Wrong::Message(7)),
            (&[255, 1], Wrong::Message(255)),
            (&[2, 0, 255, 255], Wrong::TooLong),
        ] {
            assert_eq!(all(&[BEGIN, bytes].concat()), Err(wrong));
        }
        assert_eq!(all(b"RFB 003.008\n\x02"), Err(Wrong::Security(2)));
    }

    fn message() -> impl Strategy<Value = (Vec<u8>, bool)> {
        prop_oneof![
            any::<[u8; 19]>().prop_map(|rest| ([&[0][..], &rest].concat(), true)),
            any::<[u8; 9]>().prop_map(|rest| ([&[3][..], &rest].concat(), true)),
            any::<[u8; 7]>().prop_map(|rest| ([&[4][..], &rest].concat(), true)),
            any::<[u8; 5]>().prop_map(|rest| ([&[5][..], &rest].concat(), true)),
            any::<[u8; 10]>().prop_map(|rest| ([&[255, 0][..], &rest].concat(), true)),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(|text| (cut_text(&text), false)),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(|data| {
                let count = u8::try_from(data.len()).unwrap();
                ([&[248, 0, 0, 0, 0, 0, 0, 0, count][..], &data].concat(), true)
            }),
            proptest::collection::vec(any::<[u8; 4]>(), 0..20).prop_map(|list| {
                let count = u8::try_from(list.len()).unwrap();
                ([&[2, 0, 0, count][..], &list.concat()].concat(), true)
            }),
        ]
    }

    proptest! {
        #[test]
        fn however_it_is_cut_what_goes_on_is_the_same(
            messages in proptest::collection::vec(message(), 0..12), cut in 1usize..20
        ) {
            let whole: Vec<u8> = BEGIN.iter().copied().chain(messages.iter().flat_map(|(bytes, _)| bytes.clone())).collect();
            let wanted: Vec<u8> = BEGIN.iter().copied()
                .chain(messages.iter().filter(|(_, goes)| *goes).flat_map(|(bytes, _)| bytes.clone()))
                .collect();
            let mut filter = Filter::default();
            let mut out = Vec::new();
            for piece in whole.chunks(cut) {
                filter.feed(piece, &mut out).unwrap();
            }
            prop_assert_eq!(out, wanted);
        }

        #[test]
        fn no_bytes_break_it(bytes: Vec<u8>, cut in 1usize..9) {
            let mut filter = Filter::default();
            let mut out = Vec::new();
            for piece in BEGIN.iter().copied().chain(bytes).collect::<Vec<u8>>().chunks(cut) {
                if filter.feed(piece, &mut out).is_err() {
                    break;
                }
                prop_assert!(filter.head.len() <= HEAD);
            }
        }
    }
}
