//! `varde-dbrestart-lab conduct TREE FOLDER PORT GATE_PORT COMMAND before|after`: a controller that dies there; for the
//! kill tests. `varde-dbrestart-lab bench …`: the measurement.

use varde_dbrestart_lab::cluster::Cluster;
use varde_dbrestart_lab::fault::{Fault, Faulty};
use varde_dbrestart_lab::{Result, bench, method};

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((verb, [handle @ .., at, when])) if verb == "conduct" => {
            let cluster = Cluster::attach(handle)?;
            let mut rig = Faulty {
                rig: cluster.rig(),
                cluster: &cluster,
                fault: Fault::Controller,
                at: at.clone(),
                after: when == "after",
                happened: false,
            };
            method::ours_with(&cluster, &mut rig).await?;
            Ok(())
        }
        Some((verb, options)) if verb == "bench" => bench::run(&bench::Options::parse(options)?).await,
        _ => Err(
            "usage: varde-dbrestart-lab bench [--runs N] [--peer-runs N] [--json FILE] [--only METHOD]"
                .into(),
        ),
    }
}
