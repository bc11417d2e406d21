//! Between the causes of Q.850 and the status codes of SIP, both ways: RFC 3398 §7.2.4.1 and §8.2.6.1, which ETSI TS
//! 183 036 takes over for DSS1, and RFC 3326 for the cause itself.
//!
//! A status says less than a cause. So the cause goes along in a Reason header (`Reason: Q.850;cause=17`), and one that
//! comes is believed before the status: with it, every cause arrives as it left. The tables are for peers without it.

use varde_dss1::{Cause, Class};

/// A row of the table from causes to status codes; the handbook prints it.
pub const TO_SIP: [(u8, u16); 44] = [
    (1, 404),
    (2, 404),
    (3, 404),
    (4, 480),
    (5, 404),
    (8, 480),
    (9, 480),
    (16, 480),
    (17, 486),
    (18, 408),
    (19, 480),
    (20, 480),
    (21, 403),
    (22, 410),
    (23, 410),
    (24, 403),
    (25, 483),
    (26, 404),
    (27, 502),
    (28, 484),
    (29, 501),
    (31, 480),
    (34, 503),
    (38, 503),
    (41, 503),
    (42, 503),
    (43, 503),
    (44, 503),
    (46, 503),
    (47, 503),
    (50, 403),
    (53, 403),
    (55, 403),
    (57, 403),
    (58, 503),
    (62, 403),
    (65, 488),
    (70, 488),
    (79, 501),
    (87, 403),
    (88, 488),
    (102, 504),
    (111, 500),
    (127, 500),
];

/// A row of the table from status codes to causes; the handbook prints it.
pub const TO_Q850: [(u16, u8); 37] = [
    (400, 41),
    (401, 21),
    (402, 21),
    (403, 21),
    (404, 1),
    (405, 63),
    (406, 79),
    (407, 21),
    (408, 102),
    (410, 22),
    (413, 127),
    (414, 127),
    (415, 79),
    (416, 127),
    (420, 127),
    (421, 127),
    (423, 127),
    (480, 18),
    (481, 41),
    (482, 25),
    (483, 25),
    (484, 28),
    (485, 1),
    (486, 17),
    (487, 16),
    (488, 65),
    (500, 41),
    (501, 79),
    (502, 38),
    (503, 41),
    (504, 102),
    (505, 127),
    (513, 127),
    (600, 17),
    (603, 21),
    (604, 1),
    (606, 65),
];

/// The final response that a cause is, for a call that has not been answered.
pub fn status(cause: Cause) -> u16 {
    let row = TO_SIP.iter().find(|row| row.0 == cause.value());
    row.map_or_else(|| class_status(cause.class()), |row| row.1)
}

/// Of causes without a row.
fn class_status(class: Class) -> u16 {
    match class {
        Class::Normal => 480,
        Class::ResourceUnavailable | Class::NotAvailable => 503,
        Class::NotImplemented => 501,
        Class::InvalidMessage | Class::ProtocolError | Class::Interworking => 500,
    }
}

/// The cause that a final response is: the one that its Reason gives, or else the one of the table, or of its class.
pub fn cause(status: u16, reason: Option<Cause>) -> Cause {
    if let Some(cause) = reason {
        return cause;
    }
    let row = TO_Q850.iter().find(|row| row.0 == status);
    let value = match (row, status) {
        (Some(row), _) => row.1,
        // Moved: this exchange does not follow.
        (None, 300..=399) => 23,
        (None, 400..=499) => 31,
        (None, 500..=599) => 41,
        (None, 600..=699) => 21,
        (None, _) => 127,
    };
    Cause::new(value).unwrap_or(Cause::INTERWORKING)
}

/// Whether another target may do better: trouble on the way, not an answer of whom was called.
pub fn allows_another(cause: Cause) -> bool {
    match cause {
        Cause::NO_ROUTE_TO_TRANSIT_NETWORK
        | Cause::NO_ROUTE_TO_DESTINATION
        | Cause::CHANNEL_UNACCEPTABLE
        | Cause::EXCHANGE_ROUTING_ERROR
        | Cause::DESTINATION_OUT_OF_ORDER
        | Cause::RECOVERY_ON_TIMER_EXPIRY
        | Cause::PROTOCOL_ERROR
        | Cause::INTERWORKING
        | Cause::BEARER_NOT_AVAILABLE
        | Cause::SERVICE_NOT_AVAILABLE => true,
        _ => cause.class() == Class::ResourceUnavailable,
    }
}

/// The value of a Reason header (RFC 3326 §2).
pub fn reason(cause: Cause) -> String {
    format!("Q.850;cause={}", cause.value())
}

/// The cause in a Reason header, if it holds one: of several reasons, separated by commas, that of Q.850.
pub fn reason_cause(header: &str) -> Option<Cause> {
    header.split(',').find_map(|one| {
        let mut parts = one.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("Q.850") {
            return None;
        }
        parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("cause") {
                return None;
            }
            Cause::new(value.trim().parse().ok()?)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_comes_back_as_it_went_with_its_reason() {
        for sent in Cause::all() {
            let said = reason_cause(&reason(sent));
            assert_eq!(cause(status(sent), said), sent);
        }
    }

    /// Without the header: a cause may lose detail on its way, but not its meaning to those who decide by it.
    #[test]
    fn a_cause_without_its_reason_still_says_whether_to_try_elsewhere_and_whether_it_is_busy() {
        for sent in Cause::all().filter(|cause| cause.is_assigned()) {
            let came = cause(status(sent), None);
            assert_eq!(came == Cause::USER_BUSY, sent == Cause::USER_BUSY, "{sent}");
            if allows_another(sent) && !matches!(sent.value(), 2 | 3 | 6) {
                assert!(allows_another(came), "{sent} came as {came}");
            }
        }
    }

    #[test]
    fn a_cause_that_goes_back_and_forth_settles() {
        for sent in Cause::all() {
            let round = |sent| cause(status(sent), None);
            let twice = round(round(sent));
            assert_eq!(round(twice), twice, "{sent}");
        }
    }

    #[test]
    fn both_tables_are_in_order_and_hold_what_they_can() {
        assert!(TO_SIP.is_sorted_by(|one, other| one.0 < other.0));
        assert!(TO_Q850.is_sorted_by(|one, other| one.0 < other.0));
        assert!(TO_SIP.iter().all(|row| (400..700).contains(&row.1)));
        assert!(
            TO_Q850
                .iter()
                .all(|row| Cause::new(row.1).is_some_and(Cause::is_assigned))
        );
    }

    #[test]
    fn every_status_is_a_cause() {
        for status in 300..700 {
            assert!(cause(status, None).is_assigned(), "{status}");
        }
    }

    #[test]
    fn a_reason_is_found_among_others_and_however_it_is_written() {
        for header in [
            "Q.850;cause=17",
            "q.850 ; text=\"busy\" ; Cause = 17",
            "SIP;cause=486;text=\"Busy\", Q.850;cause=17",
        ] {
            assert_eq!(reason_cause(header), Some(Cause::USER_BUSY), "{header}");
        }
        for header in ["", "SIP;cause=486", "Q.850", "Q.850;cause=128", "Q.850;cause=x"] {
            assert_eq!(reason_cause(header), None, "{header}");
        }
    }
}
