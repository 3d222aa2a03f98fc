// Copyright 2026 the Rendezvous authors. MIT license.

//! Threads meet as often as each line of the input says: `std_barrier PARTIES`.

use std::io::stdin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

fn main() {
    let parties: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let meeting = Barrier::new(parties);
    let gate = Barrier::new(parties + 1);
    // 0 at the gate ends the threads.
    let phases = AtomicU64::new(0);

    thread::scope(|scope| {
        for _ in 0..parties {
            scope.spawn(|| {
                loop {
                    gate.wait();
                    let phases = phases.load(Ordering::Relaxed);
                    if phases == 0 {
                        return;
                    }
                    for _ in 0..phases {
                        meeting.wait();
                    }
                    gate.wait();
                }
            });
        }
        for line in stdin().lines() {
            phases.store(line.unwrap().parse().unwrap(), Ordering::Relaxed);
            gate.wait();
            gate.wait();
            println!("met");
        }
        phases.store(0, Ordering::Relaxed);
        gate.wait();
    });
}
