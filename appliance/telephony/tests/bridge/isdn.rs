//! From one exchange to another over the bridge.

use varde_line::udp::Bound;

use crate::rig::{start_two, telephony, two_lines};
use varde_telephony_lab::Pbx;

/// A pattern that is no silence and repeats nowhere within a frame.
fn sound(from: u8) -> Vec<u8> {
    (0..160).map(|step: u8| from.wrapping_add(step) | 1).collect()
}

#[tokio::test]
async fn a_call_is_set_up_heard_both_ways_and_cleared_by_its_caller() {
    let mut site = start_two("").await;
    site.vest.order("call 0 3 35501012 35502034");
    let ring = site.ost.says("ring ").await;
    let [there, channel, calling, called] = &ring[..] else {
        panic!("{ring:?}")
    };
    assert_eq!((calling.as_str(), called.as_str()), ("35501012", "35502034"));
    let channel: u8 = channel.parse().unwrap();
    site.ost.order(&format!("alert {there}"));
    site.vest.says("alerting 0").await;
    site.ost.order(&format!("answer {there}"));
    site.vest.says("answered 0").await;
    site.vest.play(3, &sound(1));
    assert_eq!(site.ost.hears(channel, 160).await, sound(1), "as it was said");
    site.ost.play(channel, &sound(100));
    assert_eq!(site.vest.hears(3, 160).await, sound(100));
    site.vest.order("clear 0 16");
    site.ost.says(&format!("cleared {there} 16")).await;
    site.vest.says("over 0").await;
    site.ost.says(&format!("over {there}")).await;
    let records = site.rig.records(1).await;
    let record = &records[0].record;
    assert_eq!(
        (record.from.as_str(), record.to.as_deref()),
        ("line vest", Some("line ost"))
    );
    assert_eq!((record.caller_cause, record.called_cause), (16, Some(16)));
    assert_eq!(
        (records[0].caller.channel, records[0].called.channel),
        (3, channel)
    );
    assert!(record.answered.is_some() && record.rang.is_some());
}

#[tokio::test]
async fn the_party_that_was_called_clears_and_its_cause_reaches_the_caller() {
    let mut site = start_two("").await;
    for (answers, cause) in [(false, "17"), (false, "21"), (true, "16")] {
        site.vest.order("call 0 1 35501012 35502034");
        let ring = site.ost.says("ring ").await;
        if answers {
            site.ost.order(&format!("answer {}", ring[0]));
            site.vest.says("answered 0").await;
        }
        site.ost.order(&format!("clear {} {cause}", ring[0]));
        assert_eq!(site.vest.says("cleared 0 ").await, [cause]);
        site.vest.says("over 0").await;
        site.ost.says("over ").await;
    }
    assert_eq!(site.rig.records(3).await.len(), 3);
}

#[tokio::test]
async fn digits_one_by_one_are_called_when_the_number_is_whole() {
    let mut site = start_two("").await;
    site.vest.order("overlap 0 2 35501012");
    site.vest.says("more 0").await;
    for digits in ["355", "0203", "4"] {
        site.vest.order(&format!("digit 0 {digits}"));
    }
    let ring = site.ost.says("ring ").await;
    assert_eq!(ring[3], "35502034");
}

#[tokio::test]
async fn a_number_that_leads_nowhere_is_cleared_with_cause_1() {
    let mut site = start_two("").await;
    site.vest.order("call 0 2 35501012 99");
    site.vest.says("cleared 0 1").await;
}

#[tokio::test]
async fn a_secret_number_is_not_told_to_who_is_called() {
    let mut site = start_two("").await;
    site.vest.order("call 0 2 !35501012 35502034");
    assert_eq!(site.ost.says("ring ").await[2], "-");
}

#[tokio::test]
async fn a_call_for_help_takes_a_channel_when_all_are_busy_and_tells_a_secret_number() {
    let mut site = start_two("").await;
    for n in 0..4 {
        site.vest
            .order(&format!("call {n} {} 35501012 3550200{n}", n + 1));
        let ring = site.ost.says("ring ").await;
        site.ost.order(&format!("answer {}", ring[0]));
        site.vest.says(&format!("answered {n}")).await;
    }
    site.vest.order("call 4 5 35501012 35502009");
    site.vest.says("cleared 4 34").await;
    site.vest.order("call 5 6 !35501044 112");
    assert_eq!(
        site.vest.says("cleared 3 ").await,
        ["8"],
        "the youngest call gives way"
    );
    let ring = site.ost.says("ring ").await;
    assert_eq!(ring[2..], ["35501044", "112"]);
    site.ost.order(&format!("answer {}", ring[0]));
    site.vest.says("answered 5").await;
}

#[tokio::test]
async fn a_new_configuration_leaves_a_call_as_it_is() {
    let mut site = start_two("").await;
    site.vest.order("call 0 3 35501012 35502034");
    let ring = site.ost.says("ring ").await;
    site.ost.order(&format!("answer {}", ring[0]));
    site.vest.says("answered 0").await;
    // The line of the call is declared no longer.
    let whole = two_lines(&site.addresses, "");
    let (before, _) = whole.split_once("[[telephony.line]]\nname = \"ost\"").unwrap();
    let without = before.replace("to = [\"ost\"]", "to = [\"vest\"]");
    site.rig.follow(telephony(&without)).await;
    site.vest.play(3, &sound(7));
    let channel = ring[1].parse().unwrap();
    assert_eq!(site.ost.hears(channel, 160).await, sound(7));
    site.vest.order("call 1 4 35501012 35502035");
    site.vest.says("cleared 1 1").await;
    site.vest.order("clear 0 16");
    site.ost.says(&format!("cleared {} 16", ring[0])).await;
    site.ost.says("over").await;
    let gone = async {
        while site.rig.with(|bridge| bridge.line_names().len()).await > 1 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(varde_telephony_lab::PATIENCE, gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_exchange_that_was_killed_in_a_call_comes_back_and_has_no_channel_that_is_stuck() {
    let mut site = start_two("").await;
    site.vest.order("call 0 3 35501012 35502034");
    let ring = site.ost.says("ring ").await;
    site.ost.order(&format!("answer {}", ring[0]));
    site.vest.says("answered 0").await;
    drop(site.ost);
    let bound = bind(site.addresses[3]).await;
    let mut ost = Pbx::start(bound, site.addresses[2], "user");
    ost.says("up").await;
    // It knows nothing of the call, and says so when it is asked.
    site.rig.rests("ost").await;
    site.vest.says("cleared 0").await;
    site.vest.order("call 1 4 35501012 35502034");
    ost.says("ring ").await;
}

/// The address is free as soon as the task that had it has ended.
async fn bind(address: std::net::SocketAddr) -> Bound {
    loop {
        match Bound::new(address) {
            Ok(bound) => return bound,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}
