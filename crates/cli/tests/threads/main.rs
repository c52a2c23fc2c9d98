//! Real threads in the memory callbacks of one adapter and of several, while devices look everywhere.
//!
//! Four threads allocate, map, use and free through two logical adapters, one isolated and one remapped, over genuine
//! tables and the model's unit. A fifth plays both devices: it reads every page of RAM by its physical address and
//! every logical address that can have been given out, over and over. Pages are filled with a pattern at the moment
//! when they become free, so a device that ever reads it has reached a freed page. A thread whose mapping has ended
//! looks there itself, and must not find what it wrote.

#[path = "../property/random.rs"]
mod random;
#[path = "../property/rig.rs"]
mod rig;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dxgk_abi::Handle;
use dxgk_event::NoEvents;
use dxgk_hw::{Attachment, DmaPort, DomainOps, LogicalAddr, PAGE_SIZE, RequesterId};
use dxgk_model::VtdConfig;
use dxgk_sysmm::{Addressing, LogicalAdapterId, Policy};

use rig::{Bench, lock};
use worker::{Place, Worker};

const RAM: &str = "16M@0:node0,16M@4G:node1";
const MIB: u64 = 1 << 20;
const ABOVE_RAM: u64 = 4096 * MIB + 16 * MIB;
const DEVICES: [RequesterId; 2] = [RequesterId::new(0, 3, 0), RequesterId::new(0, 4, 0)];
const ROUNDS: u64 = 3000;

type Everything = Bench<NoEvents>;

/// A logical adapter of one physical adapter, attached.
fn plug(bench: &Everything, device: RequesterId, remapping: bool) -> (LogicalAdapterId, Handle) {
    let logical = bench.sysmm.add_logical_adapter();
    let adapter = bench.sysmm.add_adapter(logical, true, &[]).expect("room").handle;
    let domain: Arc<dyn DomainOps> = bench.unit.create_domain().expect("a domain");
    let addressing = if remapping {
        Addressing::Remapping {
            domain: Arc::clone(&domain),
            highest_visible: LogicalAddr::new((1 << 40) - 1),
        }
    } else {
        Addressing::Isolation { domain: Arc::clone(&domain) }
    };
    bench.sysmm.set_mode(logical, addressing).expect("the mode is possible");
    bench.unit.attach(device, Attachment::Domain(domain)).expect("attached");
    (logical, adapter)
}

/// Reads everywhere until told to stop. Returns how many reads reached a page, or where a freed page was read.
fn sweep(port: &dyn DmaPort, stop: &AtomicBool) -> Result<u64, LogicalAddr> {
    let ram = (0..16 * MIB).chain(4096 * MIB..ABOVE_RAM);
    let places = ram.chain(ABOVE_RAM..ABOVE_RAM + 64 * MIB).step_by(PAGE_SIZE as usize);
    let mut reached = 0;
    for at in places.cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (at, mut word) = (LogicalAddr::new(at), [0; 8]);
        if port.read(at, &mut word, 0).is_ok() {
            reached += 1;
            if u64::from_le_bytes(word) == Policy::FREED {
                return Err(at);
            }
        }
    }
    Ok(reached)
}

#[test]
#[expect(clippy::print_stderr, reason = "the test says how much it looked at")]
fn devices_never_reach_a_freed_page_while_threads_map_and_free() {
    let sink = Arc::new(NoEvents);
    let policy = Policy { freed: Some(Policy::FREED), ..Policy::default() };
    // Caches that forget little, so that an invalidation left out is seen.
    let caches = VtdConfig { iotlb_sets: 512, iotlb_ways: 8, ..VtdConfig::default() };
    let bench = Bench::new(RAM, policy, caches, &sink, Arc::new(NoEvents));
    let (isolated, first) = plug(&bench, DEVICES[0], false);
    let (remapped, second) = plug(&bench, DEVICES[1], true);
    let tables = lock(&bench.frames.taken).len();
    let before = bench.sysmm.statistics();
    let places = [
        Place { adapter: first, device: DEVICES[0], remapping: false },
        Place { adapter: second, device: DEVICES[1], remapping: true },
    ];
    let stop = AtomicBool::new(false);
    let (reached, calls) = std::thread::scope(|scope| {
        let sweepers: Vec<_> = DEVICES
            .iter()
            .map(|device| {
                let port = bench.machine.port(*device);
                scope.spawn(|| {
                    let port = port;
                    sweep(&*port, &stop)
                })
            })
            .collect();
        // Two threads in each adapter, the last one in both.
        let workers: Vec<_> = [&places[..1], &places[..1], &places[1..], &places[..]]
            .into_iter()
            .zip(1..)
            .map(|(places, number)| {
                scope.spawn({
                    let bench = &bench;
                    move || Worker::new(bench, places, number).run(ROUNDS)
                })
            })
            .collect();
        let calls: u64 = workers.into_iter().map(|it| it.join().expect("a worker found nothing wrong")).sum();
        stop.store(true, Ordering::Relaxed);
        let reached: u64 = sweepers
            .into_iter()
            .map(|it| {
                it.join()
                    .expect("no panic")
                    .unwrap_or_else(|at| panic!("the device read a freed page at {at}"))
            })
            .sum();
        (reached, calls)
    });
    assert_eq!(bench.sysmm.statistics(), before);
    assert_eq!(lock(&bench.frames.taken).len(), tables, "tables are freed when they are empty");
    assert_eq!(*lock(&bench.stage.desk.complaints), Vec::<String>::new());
    for (logical, adapter) in [(isolated, first), (remapped, second)] {
        assert_eq!(bench.sysmm.remove_adapter(adapter).map(|leaks| leaks.len()), Ok(0));
        bench.sysmm.remove_logical_adapter(logical).expect("removed");
    }
    eprintln!("{calls} callbacks by 4 threads; the devices' sweeps read {reached} live pages");
    assert!(reached > 0, "the sweeps met live pages");
}
