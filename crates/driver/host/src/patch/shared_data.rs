//! KUSER_SHARED_DATA: a page at an address that no Linux process can map, which inlined KeQueryTickCount and its kin read.
//!
//! Every run has a page of its own, laid out as ntddk.h says as far as drivers read it, whose times are brought up to date
//! whenever the driver is entered or returned to. Constants in code that lie in the real page are changed to it at load.
#![expect(unsafe_code, reason = "writes a page that the driver reads")]

use std::cell::Cell;
use std::rc::Rc;

use crate::run::{self, Run};
use crate::trap::RegisterTarget;

/// Where Windows has the page.
pub const ADDRESS: u64 = 0xFFFF_F780_0000_0000;
/// Bytes of it.
pub const BYTES: u64 = 0x1000;

/// 100 ns in a clock tick: 64 a second.
const TICK: u64 = 156_250;

/// Offsets in words of 32 bits (KUSER_SHARED_DATA, ntddk.h).
mod word {
    pub(super) const TICK_MULTIPLIER: usize = 1;
    pub(super) const INTERRUPT_TIME: usize = 0x8 / 4;
    pub(super) const SYSTEM_TIME: usize = 0x14 / 4;
    pub(super) const IMAGE_NUMBERS: usize = 0x2C / 4;
    pub(super) const BUILD: usize = 0x260 / 4;
    pub(super) const PRODUCT: usize = 0x264 / 4;
    /// ProductTypeIsValid, and in the upper half the processor's architecture.
    pub(super) const VALID: usize = 0x268 / 4;
    pub(super) const MAJOR: usize = 0x26C / 4;
    pub(super) const TICK_COUNT: usize = 0x320 / 4;
    pub(super) const PROCESSORS: usize = 0x3C0 / 4;
}

/// What the page is made from.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// NtBuildNumber.
    pub build: u32,
    /// System time at the start of the run, in 100 ns since 1601.
    pub start: u64,
    /// Virtual time since the start of the run, in 100 ns.
    pub now: fn() -> u64,
}

/// The page of a run: its address and its source, once there is one.
#[derive(Default)]
pub(crate) struct SharedData {
    page: Cell<u64>,
    source: Cell<Option<Source>>,
    window: std::cell::OnceCell<Rc<dyn RegisterTarget>>,
}

impl SharedData {
    /// The page lies at `page`: zeroed and writable for as long as the run lives.
    pub(crate) fn place(&self, page: u64) {
        self.page.set(page);
        let _ = self.window.set(Rc::new(Window(page)));
    }

    /// The page's address, 0 when there is none.
    pub(crate) fn page(&self) -> u64 {
        self.page.get()
    }

    /// Who answers loads that trap at the real address, once there is something to answer.
    pub(crate) fn window(&self, address: u64) -> Option<Rc<dyn RegisterTarget>> {
        let inside = address.wrapping_sub(ADDRESS) < BYTES;
        self.window.get().filter(|_| inside && self.source.get().is_some()).map(Rc::clone)
    }

    /// Brings the times up to date.
    #[inline]
    pub(crate) fn update(&self) {
        if let (Some(source), Some(words)) = (self.source.get(), self.words()) {
            let now = (source.now)();
            set_time(words, word::INTERRUPT_TIME, now);
            set_time(words, word::SYSTEM_TIME, source.start.wrapping_add(now));
            set_time(words, word::TICK_COUNT, now / TICK);
        }
    }

    fn words(&self) -> Option<&[Cell<u32>; 1024]> {
        let page = self.page.get() as *const [Cell<u32>; 1024];
        // SAFETY: null, or the mapped page that `place` was told of, which lives as long as the run. The driver may write it too, on
        // the same thread.
        unsafe { page.as_ref() }
    }
}

/// A KSYSTEM_TIME: the second high word is for readers without 64-bit loads.
fn set_time(words: &[Cell<u32>; 1024], at: usize, time: u64) {
    let high = (time >> 32) as u32;
    for (index, value) in [time as u32, high, high].into_iter().enumerate() {
        if let Some(word) = words.get(at + index) {
            word.set(value);
        }
    }
}

/// Fills the page of the calling thread's run, and keeps its times from then on.
pub fn provide(source: Source) {
    let Some(run) = run::current() else { return };
    let shared = &run.shared_data;
    shared.source.set(Some(source));
    let constants = [
        // Milliseconds in a tick, as a fixed-point number of 24 fractional bits.
        (word::TICK_MULTIPLIER, (TICK << 24).div_euclid(10_000) as u32),
        (word::IMAGE_NUMBERS, 0x8664_8664),
        (word::BUILD, source.build),
        (word::PRODUCT, 1),
        (word::VALID, 9 << 16 | 1),
        (word::MAJOR, 10),
        (word::PROCESSORS, 1),
    ];
    if let Some(words) = shared.words() {
        for (at, value) in constants {
            if let Some(word) = words.get(at) {
                word.set(value);
            }
        }
    }
    shared.update();
}

struct Window(u64);

impl RegisterTarget for Window {
    fn load(&self, address: u64, width: u32) -> u64 {
        let mut bytes = [0; 8];
        let offset = address.wrapping_sub(ADDRESS);
        let part = bytes.get_mut(..width as usize).filter(|_| offset + u64::from(width) <= BYTES);
        if let Some(part) = part {
            // The page is mapped as long as the run lives.
            let _ = crate::guarded::read(self.0 + offset, part);
        }
        u64::from_le_bytes(bytes)
    }

    // The page is read-only: stores are access violations before they come here.
    fn store(&self, _address: u64, _width: u32, _value: u64) {}
}

/// Changes the constants in `code` that are addresses in the real page to ones in the run's; how many there were. The code is
/// not decoded: eight bytes of this value after the opcode of `mov r64, imm64` or `mov al/ax/eax/rax, moffs64` are nothing else.
pub(crate) fn redirect(code: &mut [u8], run: &Run) -> u32 {
    let page = run.shared_data.page();
    if page == 0 {
        return 0;
    }
    let mut changed = 0;
    for at in 2..code.len().saturating_sub(7) {
        let Some([rex, opcode, constant @ ..]) = code.get(at - 2..at + 8) else { break };
        let Some(value) = constant.try_into().ok().map(u64::from_le_bytes) else { break };
        let register = *opcode & 0xF8 == 0xB8 && *rex & 0xF8 == 0x48;
        let accumulator = *opcode & 0xFC == 0xA0;
        if value.wrapping_sub(ADDRESS) < BYTES
            && (register || accumulator)
            && let Some(slot) = code.get_mut(at..at + 8)
        {
            slot.copy_from_slice(&(page + (value - ADDRESS)).to_le_bytes());
            changed += 1;
        }
    }
    changed
}

/// Brings the times of the calling thread's run up to date: after time has passed in the middle of a callback.
pub(crate) fn update(run: Option<&Run>) {
    if let Some(run) = run {
        run.shared_data.update();
    }
}
