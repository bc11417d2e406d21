//! Why bytes are not a recording.

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file cannot be read; places are bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("this is not a pcapng file: it does not begin with a section header")]
    NotPcapng,
    #[error("the file was written on a machine with the other byte order")]
    ByteOrder,
    #[error("the file ends within the block at byte {0}")]
    CutOff(usize),
    #[error("the block at byte {0} says two different lengths, or one that cannot be")]
    Length(usize),
    #[error("the packet at byte {at} is of interface {interface}, which is not described before it")]
    Interface { at: usize, interface: u32 },
    #[error("times of interface {0} are in units that this does not read")]
    Resolution(u32),
    #[error("the packet at byte {0} is not a frame of LAPD with its header")]
    Lapd(usize),
    #[error("the packet at byte {0} says neither that it came nor that it went")]
    Direction(usize),
    #[error("the packet at byte {0} is not one UDP datagram over IPv4")]
    Datagram(usize),
}
