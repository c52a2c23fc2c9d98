//! What it costs a driver to cross the border: code of a loaded image, in a loop, beside an empty call in the same process and run.
//!
//! Each figure is the least of many rounds, because everything that disturbs a round makes it longer.
#![expect(unsafe_code, reason = "assembles the driver's code")]
#![expect(clippy::print_stdout, reason = "the figures are for people to read")]

use std::arch::{global_asm, naked_asm};
use std::rc::Rc;
use std::time::{Duration, Instant};

use dxgk_host::image::Image;
use dxgk_host::layout::{Purpose, Region, RunGuard};
use dxgk_host::trap::{self, RegisterTarget};
use dxgk_host::{Processor, call_driver, thunk};

#[path = "../tests/host/portable.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod portable;

use portable::Function;

global_asm!(
    ".pushsection .text.dxgk_crossings, \"ax\"",
    ".globl bench_text, bench_calls, bench_loads, bench_level, bench_trapped_level, bench_ports, bench_end",
    "bench_text:",
    // void calls(count, slot): calls through an import slot, as a driver does.
    "bench_calls:",
    "push rbx",
    "push rsi",
    "sub rsp, 0x28",
    "mov rbx, rcx",
    "mov rsi, rdx",
    "2: call [rsi]",
    "dec rbx",
    "jnz 2b",
    "add rsp, 0x28",
    "pop rsi",
    "pop rbx",
    "ret",
    // void loads(count, address)
    "bench_loads:",
    "2: mov eax, [rdx]",
    "dec rcx",
    "jnz 2b",
    "ret",
    // void level(count): reads the level, raises it, lowers it again. Of this one the exception directory knows.
    "bench_level:",
    "mov r8d, 2",
    "2: mov rax, cr8",
    "nop",
    "mov cr8, r8",
    "nop",
    "mov cr8, rax",
    "nop",
    "dec rcx",
    "jnz 2b",
    "ret",
    // The same, unknown to it.
    "bench_trapped_level:",
    "mov r8d, 2",
    "2: mov rax, cr8",
    "nop",
    "mov cr8, r8",
    "nop",
    "mov cr8, rax",
    "nop",
    "dec rcx",
    "jnz 2b",
    "ret",
    // void ports(count)
    "bench_ports:",
    "mov edx, 0x3F8",
    "2: in al, dx",
    "dec rcx",
    "jnz 2b",
    "ret",
    "bench_end:",
    ".popsection",
);

// SAFETY: the labels are defined above; only their addresses are taken, and reading their bytes is fine.
unsafe extern "C" {
    safe static bench_text: u8;
    safe static bench_calls: u8;
    safe static bench_loads: u8;
    safe static bench_level: u8;
    safe static bench_trapped_level: u8;
    safe static bench_ports: u8;
    safe static bench_end: u8;
}

fn at(symbol: &u8) -> u32 {
    (std::ptr::from_ref(symbol) as u64 - &raw const bench_text as u64) as u32
}

/// What an empty callback would be, were there no border.
#[unsafe(naked)]
extern "win64" fn empty() {
    naked_asm!("ret")
}

fn nothing(value: u64) -> u64 {
    value
}

thunk! {
    /// A callback that does nothing: the border alone.
    fn callback(value: u64) -> u64 => nothing;
}

struct Device;

impl RegisterTarget for Device {
    fn load(&self, _address: u64, _width: u32) -> u64 {
        7
    }

    fn store(&self, _address: u64, _width: u32, _value: u64) {}
}

const ROUNDS: usize = 40;

/// Nanoseconds of one of `count` repetitions, at best.
fn least(entry: u64, count: u64, argument: u64) -> f64 {
    let round = || {
        let before = Instant::now();
        call_driver(entry, &[count, argument]).returned().expect("the code returns");
        before.elapsed()
    };
    let least = (0..ROUNDS).map(|_| round()).min().unwrap_or(Duration::ZERO);
    least.as_secs_f64() * 1e9 / count as f64
}

fn main() {
    let guard = RunGuard::acquire();
    let mut images = Region::new(Purpose::Images, &guard);
    let mut registers = Region::new(Purpose::Registers, &guard);
    let processor = Processor::attach(&guard).expect("a processor");
    let window = registers.reserve(4096, 0).expect("addresses");
    trap::add_window(window.address(), window.bytes(), Rc::new(Device)).expect("a window");
    trap::set_ports(Some(Rc::new(Device)));
    let mut text = vec![0; at(&bench_end) as usize];
    dxgk_host::guarded::read(&raw const bench_text as u64, &mut text).expect("the code");
    let function = Function {
        begin: at(&bench_level),
        end: at(&bench_trapped_level),
        info: portable::info(0, 0, &[], 0),
    };
    let sys = portable::driver(&text, 0, &[function], &["Empty", "Callback"]);
    let image = Image::load(&sys, "bench.sys", &mut images, &mut |_, name| {
        Some(if name == "Empty" { empty as *const () as u64 } else { callback as *const () as u64 })
    })
    .expect("the image loads");
    assert_eq!(image.patches().level, 3, "the moves of cr8 are rewritten");
    let code = |label: &u8| image.base() + u64::from(portable::TEXT + at(label));
    let slot = |index: u64| image.base() + 0x2200 + 8 * index;

    let call = least(code(&bench_calls), 1_000_000, slot(0));
    let through = least(code(&bench_calls), 1_000_000, slot(1));
    println!("empty win64 call from a .sys        {call:9.2} ns");
    println!(
        "empty callback from a .sys          {through:9.2} ns   {:.2} ns more, {:.1} times",
        through - call,
        through / call
    );
    let load = least(code(&bench_loads), 10_000, window.address());
    println!("trapped load of a device register   {load:9.2} ns");
    let port = least(code(&bench_ports), 10_000, 0);
    println!("trapped in al, dx                   {port:9.2} ns");
    let level = least(code(&bench_level), 100_000, 0);
    println!("cr8 read, raised, lowered: rewritten{level:9.2} ns");
    let trapped = least(code(&bench_trapped_level), 10_000, 0);
    println!("cr8 read, raised, lowered: trapped  {trapped:9.2} ns   {:.0} times", trapped / level);
    drop(image);
    drop(processor);
}
