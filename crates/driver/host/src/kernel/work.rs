//! Work items: routines that the driver wants called at PASSIVE_LEVEL by a system thread.
//!
//! Documents: the wdm.h pages of IoAllocateWorkItem, IoQueueWorkItem(Ex), IoFreeWorkItem, ExQueueWorkItem; "Bug Check 0xE1",
//! "Bug Check 0xE4". The items run in the order in which they were queued, whatever queue was named. A worker is a fiber like
//! the driver's own threads; one more is started when all are at work, as many as [`MOST_WORKERS`].

use std::collections::VecDeque;

use dxgk_abi::BugCheck;
use dxgk_abi::kernel::WorkQueueItem;

use super::memory;
use super::space::lock;
use super::state::{Kernel, end, serving};
use super::structures::Content;
use super::trouble::{Outcome, Trouble, bug_check, misuse};
use crate::{call_driver, fiber, processor};

/// Threads that work on items (our choice).
const MOST_WORKERS: usize = 8;
/// Bytes of an IO_WORKITEM, which is opaque: the device, then zeroes.
const WORK_ITEM_BYTES: u64 = 64;
/// "Bug Check 0xE1: WORKER_THREAD_RETURNED_AT_BAD_IRQL".
const WORKER_THREAD_RETURNED_AT_BAD_IRQL: BugCheck = BugCheck(0xE1);
/// "Bug Check 0xE4: WORKER_INVALID", parameter 1: an item where none may be; an item queued while it is queued.
const WORKER_INVALID: BugCheck = BugCheck(0xE4);
const ITEM_IN_FREED_MEMORY: u64 = 0;
const ITEM_ACTIVE: u64 = 1;

#[derive(Clone, Copy)]
struct Item {
    at: u64,
    routine: u64,
    arguments: [u64; 3],
}

/// What is to be done, and by how many.
#[derive(Default)]
pub(crate) struct Work {
    queue: VecDeque<Item>,
    workers: usize,
    idle: usize,
}

crate::thunk! {
    fn worker_door(context: u64) => worker;
}

/// A worker's whole life.
fn worker(_context: u64) {
    let kernel = serving();
    loop {
        let item = fiber::wait(|| {
            kernel.deliver();
            lock(&kernel.work).queue.pop_front()
        });
        lock(&kernel.work).idle -= 1;
        // From inside of a callback a stopped call does not come back.
        let _ = call_driver(item.routine, &item.arguments);
        let level = processor::irql();
        if level != 0 {
            let parameters = [item.routine, level.into(), item.arguments[1], item.at];
            end(Trouble::BugCheck { code: WORKER_THREAD_RETURNED_AT_BAD_IRQL, parameters });
        }
        lock(&kernel.work).idle += 1;
    }
}

impl Kernel {
    fn queue_work(&self, item: Item) -> Outcome<()> {
        let short = {
            let mut work = lock(&self.work);
            if work.queue.iter().any(|queued| queued.at == item.at) {
                return bug_check(WORKER_INVALID, [ITEM_ACTIVE, item.at, 0, 0]);
            }
            work.queue.push_back(item);
            work.queue.len() > work.idle && work.workers < MOST_WORKERS
        };
        self.note_progress();
        if short {
            self.start_worker()?;
        }
        Ok(())
    }

    /// Starts one more worker; without room for one the item waits for the others.
    fn start_worker(&self) -> Outcome<()> {
        let thread = {
            let mut structures = lock(&self.structures);
            lock(&self.objects).add_thread(&mut structures, None)?
        };
        let Some(thread) = thread else { return Ok(()) };
        match fiber::spawn(worker_door as *const () as u64, 0, thread) {
            Ok(fiber) => {
                lock(&self.objects).set_fiber(thread, fiber);
                let mut work = lock(&self.work);
                work.workers += 1;
                work.idle += 1;
            }
            Err(_) => {
                let mut structures = lock(&self.structures);
                lock(&self.objects).discard(&mut structures, thread);
            }
        }
        Ok(())
    }

    /// What Windows stops for when memory is freed: a queued item in it. It is taken out of the queue.
    pub(super) fn work_item_in(&self, start: u64, bytes: u64) -> Option<Trouble> {
        let mut work = lock(&self.work);
        let end = start.saturating_add(bytes);
        let index = work.queue.iter().position(|item| (start..end).contains(&item.at))?;
        let item = work.queue.remove(index)?;
        let parameters = [ITEM_IN_FREED_MEMORY, item.at, start, bytes];
        Some(Trouble::Misuse { code: WORKER_INVALID, parameters })
    }
}

/// IoAllocateWorkItem.
pub(crate) fn allocate(kernel: &Kernel, device: u64) -> Outcome<u64> {
    let Some(at) = lock(&kernel.structures).allocate(WORK_ITEM_BYTES, Content::WorkItem)? else {
        return Ok(0);
    };
    memory::write(at, &device)?;
    Ok(at)
}

/// IoFreeWorkItem. Its own routine may free it; while it is queued it must not be.
pub(crate) fn free(kernel: &Kernel, at: u64) -> Outcome<()> {
    let queued = kernel.work_item_in(at, 1);
    if !lock(&kernel.structures).release(at, Content::WorkItem) {
        return misuse(BugCheck::BAD_POOL_CALLER, [0x46, at, 0, 0]);
    }
    queued.map_or(Ok(()), Err)
}

/// IoSizeofWorkItem.
pub(crate) fn size(_kernel: &Kernel) -> Outcome<u32> {
    Ok(WORK_ITEM_BYTES as u32)
}

/// IoInitializeWorkItem: in memory of the driver's.
pub(crate) fn initialize(_kernel: &Kernel, device: u64, at: u64) -> Outcome<()> {
    memory::fill(at, WORK_ITEM_BYTES, 0)?;
    memory::write(at, &device)
}

/// IoUninitializeWorkItem.
pub(crate) fn uninitialize(kernel: &Kernel, at: u64) -> Outcome<()> {
    kernel.work_item_in(at, WORK_ITEM_BYTES).map_or(Ok(()), Err)
}

/// IoQueueWorkItem: `routine(device, context)`.
pub(crate) fn queue(kernel: &Kernel, at: u64, routine: u64, _queue: u32, context: u64) -> Outcome<()> {
    let device: u64 = memory::read(at)?;
    kernel.queue_work(Item { at, routine, arguments: [device, context, 0] })
}

/// IoQueueWorkItemEx: `routine(device, context, item)`.
pub(crate) fn queue_ex(kernel: &Kernel, at: u64, routine: u64, _queue: u32, context: u64) -> Outcome<()> {
    let device: u64 = memory::read(at)?;
    kernel.queue_work(Item { at, routine, arguments: [device, context, at] })
}

/// ExQueueWorkItem: `routine(parameter)`, as the item says now.
pub(crate) fn queue_executive(kernel: &Kernel, at: u64, _queue: u32) -> Outcome<()> {
    let item: WorkQueueItem = memory::read(at)?;
    kernel.queue_work(Item { at, routine: item.worker_routine.0, arguments: [item.parameter.0, 0, 0] })
}
