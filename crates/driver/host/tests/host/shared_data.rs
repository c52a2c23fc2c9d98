//! KUSER_SHARED_DATA: redirected where the loader finds it, trapped where it does not, in step with virtual time.
#![expect(unsafe_code, reason = "assembles the driver's code")]

use std::arch::global_asm;

use dxgk_host::image::Image;
use dxgk_host::layout::{Purpose, Region, RunGuard};
use dxgk_host::patch::shared_data::{self, Source};
use dxgk_host::{Processor, call_driver, processor, thunk};

use crate::portable;

global_asm!(
    ".pushsection .text.dxgk_shared_data, \"ax\"",
    "shared_text:",
    // The tick count three times: by a constant, by an absolute operand, by a computed address.
    "movabs rcx, 0xFFFFF78000000320",
    "mov rcx, [rcx]",
    "shl rcx, 8",
    "movabs rax, [0xFFFFF78000000320]",
    "add rcx, rax",
    "shl rcx, 8",
    "mov eax, 0xFFFFF780",
    "shl rax, 32",
    "add rcx, [rax + 0x320]",
    "mov rax, rcx",
    "ret",
    "shared_version:",
    "movabs rax, 0xFFFFF78000000260",
    "mov eax, [rax]",
    "ret",
    // An address in the page that is no address: data, in the middle of nothing.
    ".quad 0xFFFFF78000000000",
    "shared_msr:",
    "mov ecx, 0x1B",
    "rdmsr",
    "ret",
    "shared_end:",
    ".popsection",
);

// SAFETY: the labels are defined above; only their addresses are taken.
unsafe extern "C" {
    safe static shared_text: u8;
    safe static shared_version: u8;
    safe static shared_msr: u8;
    safe static shared_end: u8;
}

fn offset(label: &u8) -> u64 {
    std::ptr::from_ref(label) as u64 - &raw const shared_text as u64
}

/// Seven ticks, and one more with each boundary.
fn now() -> u64 {
    156_250 * (7 + processor::boundary())
}

fn nothing() -> u64 {
    0
}

thunk! {
    /// Lets a boundary pass.
    fn passes() -> u64 => nothing;
}

#[test]
fn the_page_is_read_at_full_speed_where_found_and_by_a_trap_where_not() {
    let guard = RunGuard::acquire();
    let mut images = Region::new(Purpose::Images, &guard);
    let processor = Processor::attach(&guard).expect("a processor");
    shared_data::provide(Source { build: 22_621, start: 0, now });
    let mut text = vec![0; offset(&shared_end) as usize];
    dxgk_host::guarded::read(&raw const shared_text as u64, &mut text).expect("the code");
    let sys = portable::driver(&text, 0, &[], &["Pass"]);
    let pass = passes as *const () as u64;
    let image = Image::load(&sys, "test.sys", &mut images, &mut |_, _| Some(pass)).expect("loads");
    assert_eq!(image.patches().shared_data, 3);

    let ticks = 7 + processor::boundary();
    let read = call_driver(image.entry(), &[]).returned().expect("returned");
    assert_eq!(read, ticks << 16 | ticks << 8 | ticks);
    assert_eq!((processor.run().traps().shared_data, processor.run().traps().level), (1, 0));

    let later = call_driver(image.entry(), &[]).returned().expect("returned");
    assert_eq!(later, read + 0x01_0101, "the trap was a boundary");
    let build = call_driver(image.entry() + offset(&shared_version), &[]).returned().expect("returned");
    assert_eq!(build, 22_621);
    let base = call_driver(image.entry() + offset(&shared_msr), &[]).returned().expect("returned");
    assert_eq!((base, processor.run().traps().privileged), (0xFEE0_0900, 1));
    drop(processor);
}
