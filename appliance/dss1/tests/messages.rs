//! Messages: what is written can be read, whatever is read is something, and what is wrong is said.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use proptest::prelude::*;
use varde_dss1::{
    BearerCapability, CallReference, Capability, Cause, CauseElement, ChannelIdentification, Class, Element,
    ElementFault, Elements, Fault, Location, Message, MessageError, MessageType, Number, NumberType, Plan,
    Presentation, Progress, ProgressDescription, Received, RestartClass, Screening, Segment, Selection,
    Subaddress,
};

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=most)
}

/// Printable, and not ending in a space: texts are often filled up with those.
fn text(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(b'!'..=b'~', 0..=most)
        .prop_map(|characters| characters.into_iter().map(char::from).collect())
}

fn numbers() -> impl Strategy<Value = Number> {
    let kinds = prop::sample::select(vec![
        NumberType::Unknown,
        NumberType::International,
        NumberType::National,
        NumberType::NetworkSpecific,
        NumberType::Subscriber,
        NumberType::Reserved5,
        NumberType::Abbreviated,
        NumberType::Extension,
    ]);
    let presentations = prop::sample::select(vec![
        Presentation::Allowed,
        Presentation::Restricted,
        Presentation::NotAvailable,
        Presentation::Reserved,
    ]);
    let screenings = prop::sample::select(vec![
        Screening::UserNotScreened,
        Screening::UserPassed,
        Screening::UserFailed,
        Screening::Network,
    ]);
    let octet_3a = prop::option::of((presentations, screenings, prop::option::of(0..16u8)));
    (kinds, 0..16u8, octet_3a, text(30)).prop_map(|(kind, plan, octet_3a, digits)| Number {
        kind,
        plan: Plan::new(plan),
        presentation: octet_3a.map(|(presentation, screening, _)| (presentation, screening)),
        reason: octet_3a.and_then(|(_, _, reason)| reason),
        digits,
    })
}

fn subaddresses() -> impl Strategy<Value = Subaddress> {
    (0..8u8, any::<bool>(), octets(20)).prop_map(|(kind, odd, octets)| Subaddress { kind, odd, octets })
}

fn channels() -> impl Strategy<Value = ChannelIdentification> {
    let selections = prop_oneof![
        Just((true, Selection::NoChannel)),
        Just((false, Selection::NoChannel)),
        Just((true, Selection::Any)),
        Just((false, Selection::Any)),
        (1..=2u8).prop_map(|channel| (false, Selection::Basic(channel))),
        prop::collection::vec(0..128u8, 1..8).prop_map(|numbers| (true, Selection::Numbers(numbers))),
        any::<u32>().prop_map(|map| (true, Selection::Map(map))),
    ];
    let interfaces = prop::option::of(prop::collection::vec(0..128u8, 1..4));
    (selections, interfaces, any::<bool>(), any::<bool>()).prop_map(
        |((primary, selection), interface, exclusive, d_channel)| ChannelIdentification {
            primary,
            interface,
            exclusive,
            d_channel,
            selection,
        },
    )
}

fn bearers() -> impl Strategy<Value = BearerCapability> {
    (0..32u8, 0..4u8, 0..32u8, 0..128u8, octets(8)).prop_map(
        |(capability, mode, rate, multiplier, layers)| BearerCapability {
            capability: Capability::new(capability),
            mode,
            rate,
            multiplier: (rate == 0x18).then_some(multiplier),
            layers,
        },
    )
}

fn elements() -> impl Strategy<Value = Element> {
    let causes = (0..128u8, 0..16u8, octets(28)).prop_map(|(cause, location, diagnostics)| {
        Element::Cause(CauseElement {
            cause: Cause::new(cause).unwrap(),
            location: Location::new(location),
            diagnostics,
        })
    });
    let progress = (0..16u8, 0..128u8).prop_map(|(location, description)| {
        Element::Progress(Progress {
            location: Location::new(location),
            description: ProgressDescription::new(description),
        })
    });
    let segments = (any::<bool>(), 0..128u8, 0..128u8).prop_map(|(first, remaining, message)| {
        Element::Segmented(Segment {
            first,
            remaining,
            message,
        })
    });
    let restarts = prop::sample::select(vec![
        RestartClass::Channels,
        RestartClass::Interface,
        RestartClass::AllInterfaces,
    ]);
    let others = (1..8u8, 0..128u8, octets(40)).prop_map(|(codeset, identifier, contents)| Element::Other {
        codeset,
        identifier,
        contents,
    });
    prop_oneof![
        prop::sample::select(vec![
            Element::SendingComplete,
            Element::MoreData,
            Element::CongestionLevel(15),
            Element::RepeatIndicator(2),
            Element::Other {
                codeset: 0,
                identifier: 0x02,
                contents: vec![1]
            },
            Element::Other {
                codeset: 6,
                identifier: 0xc0,
                contents: Vec::new()
            },
        ]),
        segments,
        bearers().prop_map(Element::BearerCapability),
        causes,
        octets(8).prop_map(Element::CallIdentity),
        (0..64u8).prop_map(Element::CallState),
        channels().prop_map(Element::Channel),
        octets(200).prop_map(Element::Facility),
        progress,
        (0..128u8).prop_map(Element::Notification),
        text(80).prop_map(Element::Display),
        octets(6).prop_map(Element::DateTime),
        text(32).prop_map(Element::Keypad),
        any::<u8>().prop_map(Element::Signal),
        prop_oneof![
            numbers().prop_map(Element::ConnectedNumber),
            numbers().prop_map(Element::CallingNumber),
            numbers().prop_map(Element::CalledNumber),
            numbers().prop_map(Element::RedirectingNumber),
            subaddresses().prop_map(Element::ConnectedSubaddress),
            subaddresses().prop_map(Element::CallingSubaddress),
            subaddresses().prop_map(Element::CalledSubaddress),
        ],
        restarts.prop_map(Element::Restart),
        octets(16).prop_map(Element::LowLayerCompatibility),
        octets(3).prop_map(Element::HighLayerCompatibility),
        octets(129).prop_map(Element::UserUser),
        others,
    ]
}

fn references(length: u8) -> impl Strategy<Value = CallReference> {
    let most: u16 = if length == 1 { 0x7f } else { 0x7fff };
    prop_oneof![
        Just(CallReference::Dummy),
        any::<bool>().prop_map(|from_origin| CallReference::Global { from_origin }),
        (1..=most, any::<bool>()).prop_map(|(value, from_origin)| CallReference::Call { value, from_origin }),
    ]
}

fn written(message: &Message) -> Received {
    Received {
        reference: message.reference,
        kind: Ok(message.kind),
        elements: message.elements.clone(),
        faults: Vec::new(),
    }
}

proptest! {
    #[test]
    fn what_is_written_can_be_read(
        (length, reference) in (1..=2u8).prop_flat_map(|length| (Just(length), references(length))),
        kind in prop::sample::select(MessageType::ALL),
        elements in prop::collection::vec(elements(), 0..12),
    ) {
        let message = Message { reference, kind, elements: elements.into() };
        let mut read = Received::parse(&message.encode(length)).unwrap();
        // Each element that nobody here knows is said to be one.
        let unknown = message.elements.iter().filter(|element| matches!(element, Element::Other { .. })).count();
        prop_assert_eq!(read.faults.len(), unknown);
        read.faults.clear();
        prop_assert_eq!(read, written(&message));
    }

    /// Elements are built from random contents too, so that more than their headers is looked at.
    #[test]
    fn what_is_read_can_be_written_and_read_again(
        header in prop_oneof![4 => Just(vec![8, 1, 1, 5]), 1 => octets(5)],
        parts in prop::collection::vec((any::<u8>(), octets(12)), 0..8),
        tail in octets(6),
    ) {
        let mut bytes = header;
        for (identifier, contents) in parts {
            bytes.extend([identifier, u8::try_from(contents.len()).unwrap()]);
            bytes.extend(contents);
        }
        bytes.extend(tail);
        let Ok(read) = Received::parse(&bytes) else { return Ok(()) };
        let Ok(kind) = read.kind else { return Ok(()) };
        let message = Message { reference: read.reference, kind, elements: read.elements };
        let again = Received::parse(&message.encode(2)).unwrap();
        prop_assert_eq!(again.elements, message.elements);
        prop_assert_eq!(again.reference, message.reference);
    }
}

#[test]
fn a_setup_of_an_exchange_is_read_whole() {
    let bytes = [
        &[0x08, 0x02, 0x00, 0x17, 0x05, 0xa1][..],
        &[0x04, 0x03, 0x80, 0x90, 0xa3],
        &[0x18, 0x03, 0xa9, 0x83, 0x81],
        &[0x1e, 0x02, 0x81, 0x83],
        &[0x6c, 0x0a, 0x21, 0x81],
        b"22001122",
        &[0x70, 0x04, 0x81],
        b"112",
        &[0x7d, 0x02, 0x91, 0x81],
    ]
    .concat();
    let read = Received::parse(&bytes).unwrap();
    let reference = CallReference::Call {
        value: 0x17,
        from_origin: true,
    };
    assert_eq!((read.reference, read.kind), (reference, Ok(MessageType::Setup)));
    let elements = &read.elements;
    assert_eq!(elements.bearer(), Some(&BearerCapability::speech()));
    assert_eq!(
        elements.channel(),
        Some(&ChannelIdentification::one(true, 1, true))
    );
    let calling = elements.calling_numbers().next().unwrap();
    assert_eq!((calling.kind, calling.plan), (NumberType::National, Plan::ISDN));
    let network = Some((Presentation::Allowed, Screening::UserPassed));
    assert_eq!(
        (calling.digits.as_str(), calling.presentation),
        ("22001122", network)
    );
    assert_eq!(elements.digits(), "112");
    assert!(elements.is_sending_complete());
    assert_eq!(read.faults, []);
    let message = Message {
        reference,
        kind: MessageType::Setup,
        elements: read.elements,
    };
    assert_eq!(message.encode(2), bytes);
}

/// An element's octets, read as part of a message.
fn element(octets: &[u8]) -> Received {
    Received::parse(&[&[8, 1, 1, 0x7b], octets].concat()).unwrap()
}

#[test]
fn channels_are_named_by_number_and_by_map() {
    let channels = |octets: &[u8]| {
        element(octets)
            .elements
            .channel()
            .map(ChannelIdentification::channels)
    };
    assert_eq!(channels(&[0x18, 3, 0xa9, 0x83, 0x9f]), Some(vec![31]));
    // The bit that ends the list is on each octet, as some exchanges have it.
    assert_eq!(channels(&[0x18, 4, 0xa9, 0x83, 0x81, 0x85]), Some(vec![1, 5]));
    assert_eq!(channels(&[0x18, 4, 0xa9, 0x83, 0x01, 0x85]), Some(vec![1, 5]));
    let map = [0x18, 6, 0xa9, 0x93, 0x80, 0x00, 0x00, 0x06];
    assert_eq!(channels(&map), Some(vec![1, 2, 31]));
    // With an interface identifier, and on a basic access.
    assert_eq!(channels(&[0x18, 4, 0xe9, 0x80, 0x83, 0x82]), Some(vec![2]));
    assert_eq!(channels(&[0x18, 1, 0x8a]), Some(vec![2]));
    // No number where one must be; a map of 24 slots; the channel type of H0.
    for wrong in [
        &[0x18, 2, 0xa9, 0x83][..],
        &[0x18, 5, 0xa9, 0x93, 0, 0, 6],
        &[0x18, 3, 0xa9, 0x86, 0x81],
    ] {
        assert_eq!(element(wrong).faults.len(), 1, "{wrong:02x?}");
    }
}

#[test]
fn shifts_lock_or_last_for_one_element() {
    let number = |codeset, contents: &[u8]| Element::Other {
        codeset,
        identifier: 0x28,
        contents: contents.into(),
    };
    let display = |text: &str| Element::Display(text.into());
    let non_locking = element(&[0x9e, 0x28, 1, b'a', 0x28, 1, b'b']);
    assert_eq!(non_locking.elements, [display("b"), number(6, b"a")].into());
    let locking = element(&[0x96, 0x28, 1, b'a', 0x28, 1, b'b']);
    assert_eq!(locking.elements, [number(6, b"a"), number(6, b"b")].into());
    // Back for one element, then locked as before.
    let both = element(&[0x96, 0x98, 0x28, 1, b'a', 0x28, 1, b'b']);
    assert_eq!(both.elements, [display("a"), number(6, b"b")].into());
    // Nothing follows.
    assert_eq!(element(&[0x96]).elements, Elements::new());
}

#[test]
fn what_is_wrong_with_an_element_leaves_the_others() {
    let fault = |identifier, fault| ElementFault {
        codeset: 0,
        identifier,
        fault,
    };
    // A cause without a value; an element out of order, which is taken; a display after it that is too long.
    let read = element(&[0x28, 1, b'a', 0x08, 1, 0x80, 0x04, 3, 0x80, 0x90, 0xa3]);
    assert_eq!(read.faults, [fault(0x08, Fault::Contents)]);
    assert_eq!(read.elements.display(), Some("a"));
    assert_eq!(read.elements.bearer(), Some(&BearerCapability::speech()));
    // It ends beyond the message.
    let read = element(&[0x28, 1, b'a', 0x70, 9, 0x80, b'1']);
    assert_eq!(read.faults, [fault(0x70, Fault::Contents)]);
    assert_eq!(read.elements, [Element::Display("a".into())].into());
    // Not known: one to be understood, one that need not be.
    let read = element(&[0x02, 1, 0, 0x3a, 1, 0]);
    assert_eq!(
        read.faults,
        [fault(0x02, Fault::Unrecognised), fault(0x3a, Fault::Unrecognised)]
    );
    assert!(read.faults[0].needs_comprehension() && !read.faults[1].needs_comprehension());
    // The first of two counts.
    let read = element(&[0x70, 2, 0x80, b'1', 0x70, 2, 0x80, b'2']);
    assert_eq!(read.elements.digits(), "1");
}

#[test]
fn what_is_no_message_is_said_to_be_none() {
    assert_eq!(Received::parse(&[]), Err(MessageError::TooShort(0)));
    assert_eq!(
        Received::parse(&[0x41, 0]),
        Err(MessageError::Discriminator(0x41))
    );
    assert_eq!(Received::parse(&[8, 1]), Err(MessageError::TooShort(2)));
    assert_eq!(Received::parse(&[8, 1, 1]), Err(MessageError::TooShort(3)));
    assert_eq!(
        Received::parse(&[8, 3, 1, 1, 1, 5]),
        Err(MessageError::CallReference(3))
    );
    assert_eq!(
        Received::parse(&[8, 0x11, 1, 5]),
        Err(MessageError::CallReference(0x11))
    );
    assert_eq!(Received::parse(&[8, 1, 1, 0x55]).unwrap().kind, Err(0x55));
}

#[test]
fn a_call_reference_is_its_value_whatever_its_length() {
    let reference = |octets: &[u8]| Received::parse(octets).unwrap().reference;
    let call = CallReference::Call {
        value: 5,
        from_origin: false,
    };
    assert_eq!(reference(&[8, 1, 0x85, 0x7b]), call);
    assert_eq!(reference(&[8, 2, 0x80, 0x05, 0x7b]), call);
    assert_eq!(reference(&[8, 0, 0x62]), CallReference::Dummy);
    let global = CallReference::Global { from_origin: true };
    assert_eq!(reference(&[8, 2, 0, 0, 0x46]), global);
}

#[test]
fn every_cause_has_its_names_and_its_class() {
    // Q.850 (2018), Table 1: what it leaves out.
    let mut unassigned: Vec<u8> = [0, 15, 32, 33, 45, 48, 51, 52, 54, 56, 64, 67, 68, 80, 89].into();
    for range in [10..=13, 35..=37, 59..=61, 71..=78, 92..=94, 104..=109, 112..=126] {
        unassigned.extend(range);
    }
    unassigned.sort_unstable();
    let found: Vec<u8> = Cause::all()
        .filter(|cause| !cause.is_assigned())
        .map(Cause::value)
        .collect();
    assert_eq!(found, unassigned);
    assert_eq!(Cause::all().count(), 128);
    for cause in Cause::all() {
        assert!(!cause.name().is_empty() && !cause.name_nb().is_empty());
        assert_eq!(Cause::new(cause.value()), Some(cause));
    }
    assert_eq!(Cause::new(128), None);
    assert_eq!(Cause::USER_BUSY.to_string(), "17 User busy");
    assert_eq!(Cause::USER_BUSY.name_nb(), "Opptatt");
    let class = |value| Cause::new(value).unwrap().class();
    assert_eq!(
        (class(16), class(31), class(34)),
        (Class::Normal, Class::Normal, Class::ResourceUnavailable)
    );
    assert_eq!(
        (class(101), class(127)),
        (Class::ProtocolError, Class::Interworking)
    );
}
