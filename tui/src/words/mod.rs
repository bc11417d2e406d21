//! Every text on the screen, in both languages: one table, complete at compile time.
//!
//! A text without one of its languages does not compile, and neither does a use of a text that is not there.

mod access;
mod actions;
mod common;
mod databases;
mod keys;
mod lines;
mod pages;
mod rehearsals;
mod snapshots;
mod telephony;
mod update;

use varde_bus::{Language, Text};

/// The texts in one language.
#[derive(Clone, Copy, Debug)]
pub struct Words(pub Language);

/// A text in both languages, for what outlives a change of language.
pub fn both(say: impl Fn(Words) -> String) -> Text {
    Text::new(say(Words(Language::Nb)), say(Words(Language::En)))
}

/// `name: "bokmål" | "English";`, with arguments where the text has holes.
macro_rules! texts {
    ($($name:ident $(($($argument:ident),+))? : $nb:literal | $en:literal;)+) => {
        impl $crate::words::Words {
            $($crate::words::texts!(@one $name $(($($argument),+))? : $nb | $en);)+
        }
    };
    (@one $name:ident : $nb:literal | $en:literal) => {
        pub fn $name(self) -> &'static str {
            match self.0 {
                varde_bus::Language::Nb => $nb,
                varde_bus::Language::En => $en,
            }
        }
    };
    (@one $name:ident ($($argument:ident),+) : $nb:literal | $en:literal) => {
        pub fn $name(self, $($argument: impl std::fmt::Display),+) -> String {
            match self.0 {
                varde_bus::Language::Nb => format!($nb),
                varde_bus::Language::En => format!($en),
            }
        }
    };
}
pub(crate) use texts;
