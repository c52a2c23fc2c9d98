//! CPU-001, REG-001.

mod stream;

use dxgk_abi::BugCheck as Code;
use dxgk_event::{BugCheck, Event, ListRef, Misuse, MisuseKind, ModeChoice, ObjectKind, StopCause};
use dxgk_verify::Culprit;
use stream::{BASE, Run, places};

const VIEW: u64 = 0x4000_0000_0000;
const PAGES: u64 = 0x2000;

fn stop(run: &mut Run, address: u64, write: bool, cause: StopCause, code: Code) {
    let stop = BugCheck {
        parameters: [address, write.into(), BASE + 0x50, 0],
        registers: ListRef::default(),
        address,
        code: code.0,
        cause,
        reserved: [0; 3],
    };
    run.at(0x50).emit_with(Event::BugCheck(stop), &[BASE + 0x9000]);
}

fn fault(run: &mut Run, address: u64) {
    stop(run, address, false, StopCause::Exception, Code::PAGE_FAULT_IN_NONPAGED_AREA);
}

/// A view or map of two pages at `VIEW` that is gone, or still there.
fn viewed(kind: ObjectKind, gone: bool) -> Run {
    let mut run = Run::new(ModeChoice::Isolation);
    let view = run.at(0x10).create(kind, VIEW, 0, &[(0x100, PAGES >> 12)]);
    if gone {
        run.at(0x20).release(view);
    }
    run
}

/// Shows S-RMP-34, S-BPA-13.
#[test]
fn a_touch_after_the_unmap_names_the_view_and_its_life() {
    for (kind, rule) in [(ObjectKind::KernelView, "CPU-001"), (ObjectKind::RegisterMap, "REG-001")] {
        let mut run = viewed(kind, true);
        fault(&mut run, VIEW + 0x1234);
        let finding = run.only();
        assert_eq!((finding.rule.id, finding.place.offset, finding.culprit), (rule, 0x50, Culprit::Driver));
        assert_eq!(places(finding), [0x10, 0x20, 0x50]);
        assert!(finding.message.contains("0x1234 bytes into"), "{}", finding.message);
        assert!(finding.message.contains("unmapped before"), "{}", finding.message);
        assert_eq!((finding.object.as_ref().map(|it| it.handle), finding.place.stack.len()), (Some(VIEW), 1));
    }
}

#[test]
fn a_touch_shortly_outside_is_named_with_its_distance() {
    let cases = [
        (VIEW + PAGES, "the first byte behind the end"),
        (VIEW + PAGES + 0x10, "0x10 bytes behind the end"),
        (VIEW - 8, "0x8 bytes before the start"),
    ];
    for (address, told) in cases {
        for gone in [false, true] {
            let mut run = viewed(ObjectKind::KernelView, gone);
            fault(&mut run, address);
            let finding = run.only();
            assert_eq!(finding.rule.id, "CPU-001");
            assert!(finding.message.contains(told), "{}", finding.message);
            assert_eq!(finding.message.contains("unmapped before"), gone, "{}", finding.message);
        }
    }
}

#[test]
fn what_is_far_from_every_view_or_inside_one_is_no_finding() {
    for address in [0, 8, VIEW + PAGES + 0x10_0000, VIEW - 0x10_0000, u64::MAX] {
        let mut run = viewed(ObjectKind::KernelView, true);
        fault(&mut run, address);
        assert_eq!(run.found(), [], "{address:#x}");
    }
    let mut run = viewed(ObjectKind::KernelView, false);
    fault(&mut run, VIEW);
    assert_eq!(run.found(), []);
    // Ports are no addresses.
    let mut run = Run::new(ModeChoice::Isolation);
    run.create(ObjectKind::PortMap, 0x60, 0, &[]);
    fault(&mut run, 0x60);
    assert_eq!(run.found(), []);
}

#[test]
fn addresses_that_were_given_out_again_belong_to_the_new_view() {
    let mut run = viewed(ObjectKind::KernelView, true);
    let second = run.at(0x30).create(ObjectKind::KernelView, VIEW, 0, &[(0x300, 1)]);
    fault(&mut run, VIEW);
    assert_eq!(run.found(), []);
    run.at(0x40).release(second);
    fault(&mut run, VIEW + 8);
    assert_eq!(places(run.only()), [0x30, 0x40, 0x50]);
}

#[test]
fn other_stops_say_nothing_of_views() {
    let mut run = viewed(ObjectKind::KernelView, true);
    stop(&mut run, VIEW, false, StopCause::DriverAsked, Code::PAGE_FAULT_IN_NONPAGED_AREA);
    stop(&mut run, VIEW, false, StopCause::Exception, Code::SYSTEM_THREAD_EXCEPTION_NOT_HANDLED);
    assert_eq!(run.found(), []);
}

#[test]
fn a_guard_that_was_touched_is_a_touch_and_the_run_goes_on() {
    let mut run = viewed(ObjectKind::RegisterMap, false);
    let kind = MisuseKind::OutsideView;
    let va = VIEW + PAGES;
    run.at(0x50).emit(Event::Misuse(Misuse {
        va,
        object: 0,
        offset: PAGES,
        kind,
        write: 1,
        reserved: [0; 6],
    }));
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset), ("REG-001", 0x50));
    assert!(finding.message.contains("wrote to"), "{}", finding.message);
}
