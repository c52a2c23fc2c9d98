//! Register windows, ports, the level register, guards and interrupts at traps.

use std::arch::naked_asm;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use dxgk_abi::NtStatus;
use dxgk_host::layout::{PAGE_SIZE, Protection, Purpose, Region, Reservation, RunGuard};
use dxgk_host::stop::{Access, StopReason};
use dxgk_host::trap::{self, GuardAction, GuardTarget, RegisterTarget};
use dxgk_host::{CallOutcome, Processor, call_driver, guarded, processor};

/// Remembers accesses; reads give the address's low byte repeated, with the top bit of every byte set.
#[derive(Default)]
struct Device {
    log: RefCell<Vec<(char, u64, u32, u64)>>,
    interrupts: Cell<bool>,
}

impl RegisterTarget for Device {
    fn load(&self, address: u64, width: u32) -> u64 {
        self.log.borrow_mut().push(('r', address & 0xFFFF, width, 0));
        if self.interrupts.get() {
            processor::request_delivery();
        }
        0x8080_8080_8080_8080 | ((address & 0x7F) * 0x0101_0101_0101_0101)
    }

    fn store(&self, address: u64, width: u32, value: u64) {
        self.log.borrow_mut().push(('w', address & 0xFFFF, width, value));
    }
}

struct Bench {
    device: Rc<Device>,
    window: Reservation,
    memory: Reservation,
}

fn bench<R>(body: impl FnOnce(&Bench) -> R) -> R {
    let guard = RunGuard::acquire();
    let mut registers = Region::new(Purpose::Registers, &guard);
    let mut pool = Region::new(Purpose::Pool, &guard);
    let processor = Processor::attach(&guard).expect("a processor");
    let window = registers.reserve(2 * PAGE_SIZE, 0).expect("addresses");
    let memory = pool.reserve(PAGE_SIZE, 0).expect("addresses");
    memory.commit(0, PAGE_SIZE, Protection::ReadWrite).expect("a page");
    let device = Rc::new(Device::default());
    trap::add_window(window.address(), window.bytes(), device.clone()).expect("a window");
    let result = body(&Bench { device, window, memory });
    drop(processor);
    result
}

macro_rules! code {
    ($($name:ident: $($code:literal),+;)+) => {
        $(#[unsafe(naked)]
        extern "win64" fn $name() {
            naked_asm!($($code),+, "ret")
        })+
    };
}

code! {
    load8: "mov rax, -1", "mov al, [rcx + 1]";
    load32: "mov rax, -1", "mov eax, [rcx + 4]";
    load64: "mov rax, [rcx + 8]";
    zero_extend: "movzx eax, word ptr [rcx + 2]";
    sign_extend: "movsx rax, byte ptr [rcx + 3]";
    sign_extend32: "movsxd rax, dword ptr [rcx + 4]";
    high_byte: "xor eax, eax", "mov ah, [rcx]";
    store8: "mov [rcx + 1], dl";
    store16: "mov word ptr [rcx + 2], 0xFFFE";
    store32: "mov dword ptr [rcx + 4], 0x80000001";
    store64: "mov qword ptr [rcx + 8], -2";
    or_memory: "or dword ptr [rcx + 4], 0x100", "sets al", "movzx eax, al";
    and_register: "mov eax, 0x0F0F0F0F", "and eax, [rcx + 4]";
    test_memory: "test byte ptr [rcx + 1], 2", "setz al", "movzx eax, al";
    compare: "mov edx, 0x84848484", "cmp [rcx + 4], edx", "sete al", "movzx eax, al";
    exchange: "mov eax, 0x55", "xchg eax, [rcx + 4]";
    fill: "mov r10, rdi", "lea rdi, [rcx + 16]", "mov eax, 7", "mov ecx, 3", "rep stosd", "mov rax, rdi", "mov rdi, r10";
    copy_in: "mov r10, rdi", "mov r11, rsi", "mov rsi, rcx", "mov rdi, rdx", "mov ecx, 4", "rep movsw", "mov rdi, r10", "mov rsi, r11", "mov rax, [rdx]";
    vector: "movdqu xmm0, [rcx + 16]", "movq rax, xmm0", "movups [rcx + 32], xmm0";
    absolute: "mov al, [0x700000000001]";
    ports: "mov edx, 0x3F8", "in al, dx", "mov al, 0x41", "out dx, al", "in eax, 0x60";
    level: "mov rax, cr8", "shl eax, 8", "mov rdx, 2", "mov cr8, rdx", "mov rdx, cr8", "or eax, edx";
    shared_data: "mov rax, 0xFFFFF78000000320", "mov eax, [rax]";
    unsupported: "movups xmm1, [rcx]", "addps xmm1, [rcx]";
    read_far: "mov eax, [rcx]";
}

/// What the code returned, and what the device saw.
fn trial(function: *const (), second: u64) -> (u64, Vec<(char, u64, u32, u64)>) {
    bench(|bench| {
        let memory = bench.memory.address();
        let second = if second == 0 { memory } else { second };
        let result = call_driver(function as u64, &[bench.window.address(), second]).returned();
        (result.expect("returned"), bench.device.log.take())
    })
}

#[test]
fn loads_of_every_width_reach_the_device() {
    assert_eq!(trial(load8 as *const (), 0), (0xFFFF_FFFF_FFFF_FF81, vec![('r', 1, 1, 0)]));
    assert_eq!(trial(load32 as *const (), 0), (0x8484_8484, vec![('r', 4, 4, 0)]));
    assert_eq!(trial(load64 as *const (), 0), (0x8888_8888_8888_8888, vec![('r', 8, 8, 0)]));
    assert_eq!(trial(zero_extend as *const (), 0), (0x8282, vec![('r', 2, 2, 0)]));
    assert_eq!(trial(sign_extend as *const (), 0), (0xFFFF_FFFF_FFFF_FF83, vec![('r', 3, 1, 0)]));
    assert_eq!(trial(sign_extend32 as *const (), 0), (0xFFFF_FFFF_8484_8484, vec![('r', 4, 4, 0)]));
    assert_eq!(trial(high_byte as *const (), 0), (0x8000, vec![('r', 0, 1, 0)]));
    assert_eq!(trial(absolute as *const (), 0).1, vec![('r', 1, 1, 0)]);
}

#[test]
fn stores_of_every_width_reach_the_device() {
    assert_eq!(trial(store8 as *const (), 0x1FF).1, vec![('w', 1, 1, 0xFF)]);
    assert_eq!(trial(store16 as *const (), 0).1, vec![('w', 2, 2, 0xFFFE)]);
    assert_eq!(trial(store32 as *const (), 0).1, vec![('w', 4, 4, 0x8000_0001)]);
    assert_eq!(trial(store64 as *const (), 0).1, vec![('w', 8, 8, u64::MAX - 1)]);
}

#[test]
fn read_modify_write_sets_flags_and_registers() {
    let or = vec![('r', 4, 4, 0), ('w', 4, 4, 0x8484_8584)];
    assert_eq!(trial(or_memory as *const (), 0), (1, or));
    assert_eq!(trial(and_register as *const (), 0), (0x0404_0404, vec![('r', 4, 4, 0)]));
    assert_eq!(trial(test_memory as *const (), 0), (1, vec![('r', 1, 1, 0)]));
    assert_eq!(trial(compare as *const (), 0), (1, vec![('r', 4, 4, 0)]));
    assert_eq!(trial(exchange as *const (), 0), (0x8484_8484, vec![('r', 4, 4, 0), ('w', 4, 4, 0x55)]));
}

#[test]
fn string_moves_go_element_by_element() {
    let (end, log) = trial(fill as *const (), 0);
    assert_eq!(end & 0xFFFF, 28);
    assert_eq!(log, vec![('w', 16, 4, 7), ('w', 20, 4, 7), ('w', 24, 4, 7)]);
    let (copied, log) = trial(copy_in as *const (), 0);
    assert_eq!(copied, 0x8686_8484_8282_8080);
    assert_eq!(log.len(), 4);
}

#[test]
fn vector_moves_are_two_accesses() {
    let (low, log) = trial(vector as *const (), 0);
    assert_eq!(low, 0x9090_9090_9090_9090);
    let expected = vec![
        ('r', 16, 8, 0),
        ('r', 24, 8, 0),
        ('w', 32, 8, 0x9090_9090_9090_9090),
        ('w', 40, 8, 0x9898_9898_9898_9898),
    ];
    assert_eq!(log, expected);
}

#[test]
fn an_unsupported_instruction_is_the_hosts_limit() {
    let outcome = bench(|bench| call_driver(unsupported as *const () as u64, &[bench.window.address()]));
    let CallOutcome::Stopped(StopReason::Exception(report)) = outcome else { panic!("{outcome}") };
    assert_eq!(report.code, NtStatus::NOT_SUPPORTED);
    assert!(report.note.contains("host"));
}

#[test]
fn a_removed_window_is_an_access_violation() {
    let outcome = bench(|bench| {
        assert!(trap::remove_window(bench.window.address()));
        assert!(!trap::remove_window(bench.window.address()));
        call_driver(load32 as *const () as u64, &[bench.window.address()])
    });
    let CallOutcome::Stopped(StopReason::Exception(report)) = outcome else { panic!("{outcome}") };
    assert_eq!((report.code, report.access), (NtStatus::ACCESS_VIOLATION, Access::Read));
}

#[test]
fn windows_do_not_overlap() {
    bench(|bench| {
        let at = bench.window.address();
        let device = bench.device.clone();
        assert!(trap::add_window(at + PAGE_SIZE, PAGE_SIZE, device.clone()).is_err());
        assert!(trap::add_window(at - 8, 16, device.clone()).is_err());
        assert!(trap::add_window(at, 0, device.clone()).is_err());
        assert!(trap::add_window(u64::MAX, 2, device.clone()).is_err());
        assert!(trap::add_window(at + 2 * PAGE_SIZE, PAGE_SIZE, device).is_ok());
    });
}

/// Shows S-MAP-13.
#[test]
fn ports_are_answered_and_refused_without_anyone() {
    let (value, log) = bench(|bench| {
        trap::set_ports(Some(bench.device.clone()));
        let result = call_driver(ports as *const () as u64, &[]).returned();
        (result.expect("returned"), bench.device.log.take())
    });
    assert_eq!(value, 0xE0E0_E0E0);
    assert_eq!(log, vec![('r', 0x3F8, 1, 0), ('w', 0x3F8, 1, 0x41), ('r', 0x60, 4, 0)]);
    let outcome = bench(|_| call_driver(ports as *const () as u64, &[]));
    let CallOutcome::Stopped(StopReason::Exception(report)) = outcome else { panic!("{outcome}") };
    assert_eq!(report.code, NtStatus::PRIVILEGED_INSTRUCTION);
}

#[test]
fn cr8_is_the_level() {
    let (value, level) = bench(|_| {
        processor::set_irql(1);
        let value = call_driver(level as *const () as u64, &[]).returned();
        (value.expect("returned"), processor::irql())
    });
    assert_eq!((value, level), (0x102, 2));
}

#[test]
fn shared_user_data_can_be_a_window() {
    let value = bench(|bench| {
        trap::add_window(0xFFFF_F780_0000_0000, PAGE_SIZE, bench.device.clone()).expect("a window");
        call_driver(shared_data as *const () as u64, &[]).returned()
    });
    assert_eq!(value.expect("returned"), 0xA0A0_A0A0);
}

struct Touch {
    seen: RefCell<Vec<(u64, Access)>>,
    action: GuardAction,
}

impl GuardTarget for Touch {
    fn touched(&self, address: u64, access: Access) -> GuardAction {
        self.seen.borrow_mut().push((address & 0xFFF, access));
        self.action
    }
}

#[test]
fn a_guard_is_told_once_and_lets_the_driver_go_on() {
    bench(|bench| {
        let page = bench.memory;
        page.protect(0, PAGE_SIZE, Protection::None).expect("no access");
        let touch = Rc::new(Touch { seen: RefCell::default(), action: GuardAction::MakeAccessible });
        trap::add_guard(page.address(), PAGE_SIZE, touch.clone()).expect("a guard");
        let mut byte = [0];
        assert!(
            guarded::read(page.address(), &mut byte).is_err(),
            "a guarded read must not set the guard off"
        );
        for _ in 0..2 {
            assert_eq!(
                call_driver(read_far as *const () as u64, &[page.address() + 0x40])
                    .returned()
                    .expect("returned"),
                0
            );
        }
        assert_eq!(touch.seen.take(), vec![(0x40, Access::Read)]);
    });
}

#[test]
fn a_guard_can_refuse_with_a_reason() {
    let outcome = bench(|bench| {
        bench.memory.decommit(0, PAGE_SIZE).expect("no pages");
        let touch =
            Rc::new(Touch { seen: RefCell::default(), action: GuardAction::Refuse("view was unmapped") });
        trap::add_guard(bench.memory.address(), PAGE_SIZE, touch).expect("a guard");
        call_driver(read_far as *const () as u64, &[bench.memory.address()])
    });
    let CallOutcome::Stopped(StopReason::Exception(report)) = outcome else { panic!("{outcome}") };
    assert_eq!((report.code, report.note), (NtStatus::ACCESS_VIOLATION, "view was unmapped"));
}

/// Loads a register with marks everywhere, and folds what is left of them and of the flags into the result.
#[unsafe(naked)]
extern "win64" fn interrupted() {
    naked_asm!(
        "mov edx, 1",
        "mov r8d, 2",
        "mov r9d, 4",
        "mov r10d, 8",
        "mov r11d, 16",
        "movq xmm3, r8",
        "stc",
        "mov eax, [rcx]",
        "adc rdx, r8",
        "add rdx, r9",
        "add rdx, r10",
        "add rdx, r11",
        "movq r8, xmm3",
        "add rdx, r8",
        "mov rax, rdx",
        "ret",
    )
}

#[unsafe(naked)]
extern "win64" fn interrupt_routine() {
    naked_asm!(
        "xor edx, edx",
        "xor r8d, r8d",
        "xor r9d, r9d",
        "xor r10d, r10d",
        "xor r11d, r11d",
        "pxor xmm3, xmm3",
        "clc",
        "mov eax, 1",
        "ret",
    )
}

thread_local! {
    static DELIVERED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

fn deliver() {
    let result = call_driver(interrupt_routine as *const () as u64, &[]).returned().expect("returned");
    let (count, _) = DELIVERED.get();
    DELIVERED.set((count + result, processor::captured().return_address));
}

#[test]
fn an_interrupt_raised_by_a_register_access_comes_right_after_it() {
    let entry = interrupted as *const () as u64;
    let result = bench(|bench| {
        trap::set_delivery_hook(deliver);
        bench.device.interrupts.set(true);
        call_driver(entry, &[bench.window.address()]).returned()
    });
    assert_eq!(result.expect("returned"), 1 + 2 + 1 + 4 + 8 + 16 + 2);
    let (count, place) = DELIVERED.get();
    assert_eq!(count, 1);
    assert!(place > entry && place < entry + 64);
}

#[test]
fn lowering_the_level_lets_interrupts_in() {
    code! { raise_and_lower: "mov edx, 5", "mov cr8, rdx", "xor edx, edx", "mov cr8, rdx"; }
    DELIVERED.set((0, 0));
    bench(|_| {
        trap::set_delivery_hook(deliver);
        call_driver(raise_and_lower as *const () as u64, &[]).returned().expect("returned")
    });
    assert_eq!(DELIVERED.get().0, 1);
}

#[test]
fn guarded_copies_fail_on_bad_addresses_and_move_bytes_on_good_ones() {
    bench(|bench| {
        let at = bench.memory.address();
        assert_eq!(guarded::write(at + 4, &[1, 2, 3]), Ok(()));
        assert_eq!(guarded::read_struct::<u64>(at), Ok(0x0003_0201_0000_0000));
        assert_eq!(guarded::write_struct(at + 1, &0x1122_3344u32), Ok(()));
        assert_eq!(guarded::read_struct::<u32>(at + 1), Ok(0x1122_3344));
        for bad in [
            0,
            8,
            bench.window.address(),
            at + PAGE_SIZE,
            at + PAGE_SIZE - 4,
            1 << 63,
            u64::MAX - 3,
            u64::MAX,
        ] {
            assert!(guarded::read_struct::<u64>(bad).is_err(), "{bad:#x}");
            assert!(guarded::write(bad, &[0; 24]).is_err(), "{bad:#x}");
        }
        assert_eq!(guarded::read(0, &mut []), Ok(()));
        assert!(bench.device.log.take().is_empty(), "a guarded copy reached the device");
    });
}

/// Keeps where the driver was when it touched the page.
#[derive(Default)]
struct Place(Cell<u64>);

impl GuardTarget for Place {
    fn touched(&self, _address: u64, _access: Access) -> GuardAction {
        self.0.set(processor::captured().return_address);
        GuardAction::MakeAccessible
    }
}

#[test]
fn a_page_that_an_imported_memcpy_touches_is_touched_by_its_caller() {
    code! { copying: "sub rsp, 0x28", "call r9", "add rsp, 0x28"; }
    let guard = RunGuard::acquire();
    let mut pool = Region::new(Purpose::Pool, &guard);
    let processor = Processor::attach(&guard).expect("a processor");
    let (page, place) = (pool.reserve(PAGE_SIZE, 0).expect("addresses"), Rc::new(Place::default()));
    trap::add_guard(page.address(), page.bytes(), place.clone()).expect("a guard");
    let word = 0x1122_3344_5566_7788u64;
    let copy = dxgk_host::leaf::memmove as *const () as u64;
    let arguments = [page.address(), &raw const word as u64, 8, copy];
    call_driver(copying as *const () as u64, &arguments).returned().expect("returned");
    assert_eq!(guarded::read_struct::<u64>(page.address()), Ok(word));
    // Behind the call.
    assert_eq!(place.0.get(), copying as *const () as u64 + 7);
    drop(processor);
}
