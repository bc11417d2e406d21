//! Bits as a code that can be read out by phone, and that says where it was misheard.
//!
//! The alphabet is Crockford's base 32: digits and letters without I, L, O and U; read back, `i` and `l` are 1 and `o`
//! is 0, and case does not matter. Four symbols carry 20 bits, a fifth checks them, and the five make a group. The check
//! is a sum over GF(32) in which every place has a weight of its own and every group an offset of its own. So one wrong
//! symbol, two swapped ones of a group and two swapped groups are found, and which group it is; 31 of 32 of all else.

use varde_site::Text;

/// Crockford's base 32.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Symbols of a group that carry something.
const DATA: usize = 4;
/// Symbols of a group.
pub const GROUP: usize = DATA + 1;

/// α·x in GF(32) with x⁵ + x² + 1, for which α = 2 goes through all 31.
fn times_alpha(x: u8) -> u8 {
    let shifted = x << 1;
    if shifted & 32 == 0 {
        shifted
    } else {
        shifted ^ 0b10_0101
    }
}

/// The check symbol of the group with this number: α⁴·d₀ + α³·d₁ + α²·d₂ + α·d₃ + offset. Its own weight is 1.
fn check(number: usize, data: &[u8]) -> u8 {
    let sum = data.iter().fold(0, |sum, symbol| times_alpha(sum ^ symbol));
    sum ^ u8::try_from((number + 1) % 32).unwrap_or(0)
}

/// Twenty bits a group, most significant first.
pub fn encode(groups: &[u32]) -> String {
    let mut words = Vec::new();
    for (number, bits) in groups.iter().enumerate() {
        let mut symbols: Vec<u8> = (0..DATA)
            .rev()
            .map(|place| u8::try_from(bits >> (5 * place) & 31).unwrap_or(0))
            .collect();
        symbols.push(check(number, &symbols));
        let word = symbols
            .iter()
            .map(|symbol| char::from(ALPHABET[usize::from(*symbol)]));
        words.push(word.collect::<String>());
    }
    words.join(" ")
}

fn symbol(character: char) -> Option<u8> {
    let upper = match character.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    };
    let place = ALPHABET.iter().position(|known| char::from(*known) == upper)?;
    u8::try_from(place).ok()
}

/// The groups again. Blanks and dashes may stand anywhere, or be missing.
pub fn decode(code: &str, count: usize) -> Result<Vec<u32>, Text> {
    let mut symbols = Vec::new();
    for character in code.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        symbols.push(symbol(character).ok_or_else(|| {
            Text::new(
                format!("«{character}» finnes ikke i en kode; den har sifre og bokstaver uten I, L, O og U"),
                format!("\"{character}\" is in no code; it has digits, and letters without I, L, O and U"),
            )
        })?);
    }
    let wanted = count * GROUP;
    if symbols.len() != wanted {
        return Err(Text::new(
            format!(
                "Koden har {} tegn, og skal ha {wanted}: {count} grupper på {GROUP}",
                symbols.len()
            ),
            format!(
                "The code has {} symbols, and should have {wanted}: {count} groups of {GROUP}",
                symbols.len()
            ),
        ));
    }
    let mut groups = Vec::new();
    let mut wrong = Vec::new();
    for (number, group) in symbols.chunks(GROUP).enumerate() {
        let (data, last) = group.split_at(DATA);
        if last != [check(number, data)] {
            wrong.push((number + 1).to_string());
        }
        groups.push(data.iter().fold(0, |bits, symbol| bits << 5 | u32::from(*symbol)));
    }
    if wrong.is_empty() {
        return Ok(groups);
    }
    let wrong = wrong.join(", ");
    Err(Text::new(
        format!("Feilhørt i gruppe {wrong}. Les den gruppen en gang til"),
        format!("Misheard in group {wrong}. Read that group once more"),
    ))
}

/// Packs values into groups of 20 bits, and takes them out again in the same order.
#[derive(Debug, Default)]
pub struct Bits {
    bits: Vec<bool>,
    next: usize,
}

impl Bits {
    pub fn of(groups: &[u32]) -> Self {
        let bits = groups
            .iter()
            .flat_map(|group| (0..20).rev().map(move |place| group >> place & 1 == 1))
            .collect();
        Self { bits, next: 0 }
    }

    /// A value that is too large becomes the largest that `width` bits can say.
    pub fn push(&mut self, value: u64, width: u32) {
        let value = value.min((1 << width) - 1);
        self.bits
            .extend((0..width).rev().map(|place| value >> place & 1 == 1));
    }

    pub fn take(&mut self, width: u32) -> u64 {
        let mut value = 0;
        for _ in 0..width {
            let bit = self.bits.get(self.next).copied().unwrap_or(false);
            self.next += 1;
            value = value << 1 | u64::from(bit);
        }
        value
    }

    pub fn groups(&self) -> Vec<u32> {
        self.bits
            .chunks(20)
            .map(|chunk| {
                let padded = chunk.iter().copied().chain(std::iter::repeat(false)).take(20);
                padded.fold(0, |bits, bit| bits << 1 | u32::from(bit))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn groups() -> impl Strategy<Value = Vec<u32>> {
        proptest::collection::vec(0u32..1 << 20, 1..9)
    }

    #[test]
    fn a_code_is_in_groups_and_read_back_however_it_was_written_down() {
        let code = encode(&[0, 0xF_FFFF]);
        assert_eq!(code.split(' ').map(str::len).collect::<Vec<_>>(), [5, 5]);
        let spoken = code
            .to_lowercase()
            .replace(' ', " - ")
            .replace('0', "o")
            .replace('1', "l");
        assert_eq!(decode(&spoken, 2), Ok(vec![0, 0xF_FFFF]));
    }

    #[test]
    fn what_is_no_code_is_said_to_be_none() {
        assert!(decode("ABCDU", 1).unwrap_err().en.contains("\"U\""));
        assert!(decode("ABC", 1).unwrap_err().en.contains("3 symbols"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(groups in groups()) {
            prop_assert_eq!(decode(&encode(&groups), groups.len()), Ok(groups));
        }

        #[test]
        fn one_wrong_symbol_is_found_in_its_group(groups in groups(), at: usize, by in 1u8..32) {
            let mut code: Vec<char> = encode(&groups).chars().filter(|c| *c != ' ').collect();
            let at = at % code.len();
            let wrong = symbol(code[at]).unwrap() ^ by;
            code[at] = char::from(ALPHABET[usize::from(wrong)]);
            let said = decode(&code.iter().collect::<String>(), groups.len()).unwrap_err();
            prop_assert!(said.en.contains(&format!("in group {}.", at / GROUP + 1)), "{}", said);
        }

        #[test]
        fn two_swapped_symbols_are_found(groups in groups(), one: usize, other: usize) {
            let mut code: Vec<char> = encode(&groups).chars().filter(|c| *c != ' ').collect();
            let (one, other) = (one % code.len(), other % code.len());
            prop_assume!(code[one] != code[other]);
            code.swap(one, other);
            prop_assert!(decode(&code.iter().collect::<String>(), groups.len()).is_err());
        }

        #[test]
        fn two_swapped_groups_are_found(groups in groups(), one: usize, other: usize) {
            let code = encode(&groups);
            let mut words: Vec<&str> = code.split(' ').collect();
            let (one, other) = (one % words.len(), other % words.len());
            prop_assume!(one != other);
            words.swap(one, other);
            let said = decode(&words.concat(), groups.len()).unwrap_err();
            prop_assert!(said.en.contains(&(one + 1).to_string()) && said.en.contains(&(other + 1).to_string()));
        }

        #[test]
        fn no_text_breaks_the_reader(text in any::<String>()) {
            let _ = decode(&text, 7);
        }

        #[test]
        fn values_come_out_as_they_went_in(values in proptest::collection::vec((any::<u64>(), 1u32..20), 0..20)) {
            let mut bits = Bits::default();
            for (value, width) in &values {
                bits.push(*value, *width);
            }
            let mut back = Bits::of(&bits.groups());
            for (value, width) in values {
                prop_assert_eq!(back.take(width), value.min((1 << width) - 1));
            }
        }
    }
}
