//! The measurement: every way to restart under the same load, side by side.

use std::time::Duration;

use serde::Serialize;

use crate::Result;
use crate::cluster::Cluster;
use crate::load::{self, Balance, Load, Shape};
use crate::method::Method;
use crate::patroni::Patroni;
use crate::tree;

/// 400 users of a county's system are rarely more than this at a time.
const SHAPE: Shape = Shape {
    clients: 20,
    rate: 250,
};
const LONG_QUERY: u32 = 5;

#[derive(Clone, Debug)]
pub struct Options {
    /// Restarts of ours.
    pub runs: u32,
    /// Restarts of each peer.
    pub peer_runs: u32,
    pub json: Option<String>,
    pub only: Option<String>,
}

impl Options {
    pub fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self {
            runs: 100,
            peer_runs: 4,
            json: None,
            only: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a value"))?
                .clone();
            match word.as_str() {
                "--runs" => options.runs = value.parse()?,
                "--peer-runs" => options.peer_runs = value.parse()?,
                "--json" => options.json = Some(value),
                "--only" => options.only = Some(value),
                _ => return Err(format!("{word} is not known").into()),
            }
        }
        Ok(options)
    }
}

/// One way to restart, with or without somebody's long query; times in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub method: &'static str,
    pub long_query: bool,
    pub restarts: usize,
    /// Over the restarts: the longest wait of any transaction in each, its median, p99 and maximum.
    pub stall_median: u64,
    pub stall_p99: u64,
    pub stall_max: u64,
    /// Transactions over 100 ms, each restart.
    pub delayed: u64,
    /// Over all restarts.
    pub failed: u64,
    pub lost: u64,
    pub duplicated: u64,
    /// Whether the long query came to its end, each time.
    pub query_ended: bool,
}

pub async fn run(options: &Options) -> Result<()> {
    let tree = tree::tree()?;
    let mut rows = Vec::new();
    for method in Method::ALL {
        if options.only.as_deref().is_some_and(|only| only != method.name()) {
            continue;
        }
        for long_query in [false, true] {
            let runs = match method {
                Method::Varde if !long_query => options.runs,
                Method::Varde => options.runs.min(options.peer_runs * 3),
                // What ours is held against.
                Method::PauseByHand if !long_query => options.peer_runs * 3,
                _ => options.peer_runs,
            };
            let row = measure(&tree, method, long_query, runs).await?;
            eprintln!("{}", serde_json::to_string(&row)?);
            rows.push(row);
        }
    }
    print(&rows);
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

async fn measure(tree: &std::path::Path, method: Method, long_query: bool, runs: u32) -> Result<Row> {
    let mut cluster = Cluster::new(tree)?;
    cluster.open_gate("transaction", method != Method::Varde)?;
    let patroni = match method {
        Method::Patroni => Some(Patroni::take_over(&cluster)?),
        _ => None,
    };
    let port = if method == Method::Direct {
        cluster.port
    } else {
        cluster.gate_port
    };
    let load = Load::start(port, SHAPE);
    let (mut stalls, mut delayed, mut query_ended) = (Vec::new(), 0, true);
    for _ in 0..runs {
        load.settle().await;
        load.take();
        let query = long_query.then(|| load::long_query(port, LONG_QUERY));
        if query.is_some() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        match &patroni {
            Some(patroni) => patroni.restart(&cluster).await?,
            None => method.restart(&cluster).await?,
        }
        if let Some(query) = query {
            query_ended &= query.await?;
        }
        // Until those who waited have their answers.
        let window = {
            let taken = load.take();
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut later = load.take();
            while later.latencies.is_empty() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let more = load.take();
                later.latencies.extend(more.latencies);
                later.failed += more.failed;
            }
            later.latencies.extend(taken.latencies);
            later
        };
        let millis = window.latencies.iter().map(|micros| micros / 1000);
        stalls.push(millis.clone().max().unwrap_or(0));
        delayed += millis.filter(|millis| *millis > 100).count() as u64;
    }
    let Balance {
        failed,
        lost,
        duplicated,
        ..
    } = load
        .end(|| cluster.sql("SELECT client, number FROM work"))
        .await?;
    stalls.sort_unstable();
    let at = |hundredths: usize| {
        stalls
            .get((stalls.len() * hundredths).div_ceil(100).saturating_sub(1))
            .copied()
            .unwrap_or(0)
    };
    Ok(Row {
        method: method.name(),
        long_query,
        restarts: stalls.len(),
        stall_median: at(50),
        stall_p99: at(99),
        stall_max: at(100),
        delayed: delayed / u64::from(runs.max(1)),
        failed,
        lost,
        duplicated,
        query_ended,
    })
}

fn print(rows: &[Row]) {
    println!(
        "{:<22} {:<10} {:>4} {:>9} {:>9} {:>9} {:>8} {:>7} {:>5} {:>6}  query ended",
        "method",
        "meanwhile",
        "runs",
        "stall p50",
        "stall p99",
        "max ms",
        ">100 ms",
        "failed",
        "lost",
        "twice"
    );
    for row in rows {
        println!(
            "{:<22} {:<10} {:>4} {:>9} {:>9} {:>9} {:>8} {:>7} {:>5} {:>6}  {}",
            row.method,
            if row.long_query { "5 s query" } else { "load" },
            row.restarts,
            row.stall_median,
            row.stall_p99,
            row.stall_max,
            row.delayed,
            row.failed,
            row.lost,
            row.duplicated,
            match (row.long_query, row.query_ended) {
                (false, _) => "",
                (true, true) => "yes",
                (true, false) => "no",
            },
        );
    }
}
