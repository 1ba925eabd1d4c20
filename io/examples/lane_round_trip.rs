//! How long does a message to another core and its answer take?
//!
//! `cargo run --release -p pieskieo-io --example lane_round_trip`. The first figure lets the other
//! core fall asleep before each message; the others keep several messages under way.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pieskieo_io::rt::{self, CoreId, MeshEnd, RuntimeOptions, mesh};
use pieskieo_io::time;

const ASLEEP_ROUNDS: u32 = 2_000;
const ROUNDS: u32 = 20_000;

type Ends = Arc<Mutex<Vec<Option<MeshEnd<u64>>>>>;

fn main() {
    let ends: Ends = Arc::new(Mutex::new(mesh(2, 64).into_iter().map(Some).collect()));
    let main = move |core: CoreId| {
        let end = ends.lock().expect("nobody panicked")[usize::from(core.0)].take();
        let end = end.expect("each core takes its own end");
        async move { if core.0 == 0 { ask(end).await } else { answer(end).await } }
    };
    let running = rt::start(RuntimeOptions::cores(2), main).expect("two executors start");
    running.join().expect("no core fails");
}

async fn answer(end: MeshEnd<u64>) {
    while let Some((from, value)) = end.recv().await {
        if end.send(from, value).await.is_err() {
            break;
        }
    }
}

async fn ask(end: MeshEnd<u64>) {
    let mut times = Vec::new();
    for round in 0..ASLEEP_ROUNDS {
        rt::sleep(Duration::from_micros(500)).await;
        let begun = time::now();
        end.send(CoreId(1), u64::from(round)).await.expect("the other core lives");
        end.recv().await.expect("the other core lives");
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let (middle, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    say(format_args!("asleep: {middle:.1?} median, {late:.1?} p99"));
    for under_way in [1, 4, 16, 64] {
        let begun = time::now();
        let mut sent = 0;
        for received in 0..ROUNDS {
            while sent < ROUNDS && sent - received < under_way {
                end.send(CoreId(1), u64::from(sent)).await.expect("the other core lives");
                sent += 1;
            }
            end.recv().await.expect("the other core lives");
        }
        let each = begun.elapsed() / ROUNDS;
        say(format_args!("{under_way} under way: {each:.2?} per round trip"));
    }
}

fn say(text: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").expect("the terminal takes a line");
}
