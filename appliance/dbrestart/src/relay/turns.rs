//! Whose turn it is to speak, for each client of a relay. Times are milliseconds on a clock that never goes back.

use std::collections::BTreeMap;

/// Who spoke last between one client and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Not passed on yet: the server has not heard of it.
    Outside,
    /// It has a connection to the server, and neither has said anything.
    Fresh,
    /// The server said something last; since then.
    Rest(u64),
    /// The client spoke, and the server has not answered; since then.
    Asked(u64),
}

/// Clients by a number of their own.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    clients: BTreeMap<u64, Turn>,
    asked: u64,
}

impl Turns {
    pub fn came(&mut self, client: u64) {
        self.clients.insert(client, Turn::Outside);
    }

    /// It has a connection to the server now.
    pub fn entered(&mut self, client: u64) {
        self.clients.insert(client, Turn::Fresh);
    }

    /// Whether another server would do for it as well: this one has not heard it, nor it this one.
    pub fn is_fresh(&self, client: u64) -> bool {
        matches!(self.clients.get(&client), Some(Turn::Fresh | Turn::Outside))
    }

    /// It has lost its connection to the server, and may have another.
    pub fn put_out(&mut self, client: u64) {
        self.clients.insert(client, Turn::Outside);
    }

    pub fn left(&mut self, client: u64) {
        self.clients.remove(&client);
    }

    /// Whether what the client says now begins something new, which a gate that holds does not let through.
    pub fn begins(&self, client: u64) -> bool {
        !matches!(self.clients.get(&client), Some(Turn::Asked(_)))
    }

    pub fn client_spoke(&mut self, client: u64, now: u64) {
        if let Some(turn) = self.clients.get_mut(&client)
            && !matches!(turn, Turn::Asked(_))
        {
            *turn = Turn::Asked(now);
            self.asked += 1;
        }
    }

    pub fn server_spoke(&mut self, client: u64, now: u64) {
        if let Some(turn) = self.clients.get_mut(&client) {
            *turn = Turn::Rest(now);
        }
    }

    /// Requests since the start.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Since when a client waits for an answer; `None` where it does not.
    pub fn asked_since(&self, client: u64) -> Option<u64> {
        match self.clients.get(&client) {
            Some(Turn::Asked(since)) => Some(*since),
            _ => None,
        }
    }

    /// Whether nobody waits for an answer, and the last one came at least `quiet` ago: a long one has gaps.
    pub fn at_rest(&self, quiet: u64, now: u64) -> bool {
        self.clients.values().all(|turn| match turn {
            Turn::Outside | Turn::Fresh => true,
            Turn::Rest(since) => now.saturating_sub(*since) >= quiet,
            Turn::Asked(_) => false,
        })
    }

    /// Those that the server knows.
    pub fn inside(&self) -> Vec<u64> {
        let inside = |turn: &Turn| *turn != Turn::Outside;
        self.clients
            .iter()
            .filter(|(_, turn)| inside(turn))
            .map(|(client, _)| *client)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_out_until_the_server_says_something() {
        let mut turns = Turns::default();
        turns.came(1);
        assert!(turns.at_rest(10, 0), "one that waits outside keeps nobody");
        turns.entered(1);
        assert!(turns.at_rest(10, 0) && turns.is_fresh(1));
        turns.client_spoke(1, 200);
        turns.client_spoke(1, 250);
        assert_eq!((turns.asked_since(1), turns.asked()), (Some(200), 1));
        assert!(!turns.at_rest(0, 10_000));
        assert!(!turns.begins(1), "the rest of a request is let through");
        turns.server_spoke(1, 300);
        assert!(turns.begins(1) && !turns.is_fresh(1));
        assert!(!turns.at_rest(20, 310), "an answer may have a gap");
        assert!(turns.at_rest(20, 320));
    }

    #[test]
    fn who_left_in_the_middle_of_a_request_keeps_nobody() {
        let mut turns = Turns::default();
        turns.entered(1);
        turns.client_spoke(1, 0);
        turns.left(1);
        // What its connection still has to say is nobody's.
        turns.server_spoke(1, 1);
        turns.client_spoke(1, 1);
        assert!(turns.at_rest(0, 1));
        assert_eq!(turns.inside(), [0; 0]);
    }

    proptest! {
        /// Whatever happens in which order, a client is at rest exactly if the last word of those inside is not its own.
        #[test]
        fn who_spoke_last_decides(events in prop::collection::vec((0u64..3, 0u8..5), 0..60)) {
            let mut turns = Turns::default();
            let mut last: BTreeMap<u64, bool> = BTreeMap::new();
            for (now, (client, event)) in (0u64..).zip(events) {
                match event {
                    0 => { turns.came(client); last.insert(client, false); }
                    1 => { turns.entered(client); last.insert(client, false); }
                    2 => {
                        turns.client_spoke(client, now);
                        if let Some(asked) = last.get_mut(&client) { *asked = true; }
                    }
                    3 => {
                        turns.server_spoke(client, now);
                        if let Some(asked) = last.get_mut(&client) { *asked = false; }
                    }
                    _ => { turns.left(client); last.remove(&client); }
                }
                prop_assert_eq!(turns.at_rest(0, now), last.values().all(|asked| !asked));
                for (client, asked) in &last {
                    prop_assert_eq!(turns.asked_since(*client).is_some(), *asked);
                }
            }
        }
    }
}
