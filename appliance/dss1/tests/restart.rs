//! RESTART when its data link is set up anew (Q.931 §5.5, §5.8.9).
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::time::Duration;

use varde_dss1::{
    CallReference, ChannelState, Config, Element, Interface, Message, MessageType, Output, RestartClass,
};
use varde_lapd::{Ces, Indication, Request, Side};

fn restarts(interface: &mut Interface) -> usize {
    std::iter::from_fn(|| interface.poll_output())
        .filter(|output| match output {
            Output::Link(_, Request::Data(bytes)) => {
                varde_dss1::Received::parse(bytes).unwrap().kind == Ok(MessageType::Restart)
            }
            _ => false,
        })
        .count()
}

#[test]
fn a_restart_that_was_lost_with_a_data_link_set_up_anew_is_sent_again_at_once() {
    let mut now = Duration::ZERO;
    let mut interface = Interface::new(Config::primary(Side::Network));
    interface.receive(now, Ces::OWN, Indication::EstablishConfirm);
    assert_eq!(restarts(&mut interface), 1);
    // The peer's own request was on its way at the same time: what we had sent since is lost.
    now += Duration::from_millis(100);
    interface.receive(now, Ces::OWN, Indication::Establish);
    assert_eq!(restarts(&mut interface), 1);

    let answer = Message {
        reference: CallReference::Global { from_origin: false },
        kind: MessageType::RestartAcknowledge,
        elements: [Element::Restart(RestartClass::Interface)].into(),
    };
    interface.receive(now, Ces::OWN, Indication::Data(answer.encode(2)));
    assert!(
        interface
            .channels()
            .all(|channel| channel.1 == ChannelState::Idle)
    );
    // Nothing is under way: a link that is set up anew casts no doubt.
    interface.receive(now, Ces::OWN, Indication::Establish);
    assert_eq!(restarts(&mut interface), 0);
}
