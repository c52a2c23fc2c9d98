//! Mistakes in a description: named with their line, their field, and what is accepted instead.

use dxgk_model::Description;

use super::{DISPLAY, EDU, NPU, QXL, VIRTIO_GPU};

const HEAD: &str = "name = \"x\"\n[pci]\nvendor = 1\ndevice = 2\nclass = 0x030000\n";

fn refusal(text: &str) -> String {
    Description::parse(text).expect_err(text).to_string()
}

/// HEAD has five lines; `rest` begins with the sixth.
fn refusal_of(rest: &str) -> String {
    refusal(&format!("{HEAD}{rest}"))
}

#[test]
fn the_examples_and_the_smallest_description_are_accepted() {
    for text in [NPU, DISPLAY, EDU, VIRTIO_GPU, QXL, HEAD] {
        assert!(Description::parse(text).is_ok());
    }
}

#[test]
fn what_is_no_toml_or_has_unknown_fields_is_refused_with_its_line() {
    assert!(refusal("name = \"x\"\n[pci\n").starts_with("line 2: "));
    let unknown = refusal_of("[[bar]]\nindex = 0\nsice = 16\n");
    assert!(
        unknown.starts_with("line 8: ") && unknown.contains("sice") && unknown.contains("size"),
        "{unknown}"
    );
    let missing = refusal_of("[[bar]]\nindex = 0\n");
    assert!(missing.starts_with("line 6: ") && missing.contains("size"), "{missing}");
    let variant = refusal_of("[[bar]]\nindex = 0\nsize = 16\ncontent = \"disc\"\n");
    assert!(variant.starts_with("line 9: ") && variant.contains("`ram`"), "{variant}");
    let range = refusal("name = \"x\"\n[pci]\nvendor = 0x12345\n");
    assert!(range.starts_with("line 3: ") && range.contains("u16"), "{range}");
    assert!(!refusal_of("x = [\n").contains('\n'));
}

const REGISTERS: &str = "[[bar]]\nindex = 0\nsize = 64\n\
[[register]]\nname = \"A\"\noffset = 0\n\
[[register]]\nname = \"B\"\noffset = 8\nwidth = 8\n";

#[test]
fn what_does_not_fit_together_is_refused_with_its_line_and_field() {
    let cases = [
        ("[[bar]]\nindex = 0\nsize = 48\n", "line 8: bar[0].size: ", "power of two"),
        ("[[bar]]\nindex = 6\nsize = 64\n", "line 7: bar[0].index: ", "0 to 5"),
        (
            "[[bar]]\nindex = 1\nsize = 64\n[[bar]]\nindex = 1\nsize = 64\n",
            "line 10: bar[1].index: ",
            "another",
        ),
        ("[[bar]]\nindex = 1\nsize = 0x1000_0000\ncontent = \"ram\"\n", "line 8: bar[0].size: ", "0x4000000"),
        ("[[bar]]\nindex = 1\nsize = 512\nkind = \"ports\"\n", "line 8: bar[0].size: ", "0x100"),
        ("[[bar]]\nindex = 1\nsize = 64\ndevice-address = 0\n", "line 9: bar[0].device-address: ", "ram"),
        (
            "[[bar]]\nindex = 1\nsize = 64\ncontent = \"rom\"\ndata = [{ offset = 60, words = [1, 2] }]\n",
            "line 10: bar[0].data[0]: ",
            "do not fit into 0x40 bytes",
        ),
        (
            "[[bar]]\nindex = 1\nsize = 64\ndata = [{ offset = 0, words = [1] }]\n",
            "line 9: bar[0].data: ",
            "\"rom\"",
        ),
        (
            "[[capability]]\nid = 9\nbody = [1, 2]\nwritable = [0, 0, 0]\n",
            "line 9: capability[0].writable: ",
            "the body has 2",
        ),
        ("[[memory]]\naddress = 0xffff_ffff_ffff_ffff\nsize = 2\n", "line 7: memory[0].address: ", "64 bits"),
        (
            "[[memory]]\naddress = 0\nsize = 16\n[[memory]]\naddress = 15\nsize = 1\n",
            "line 10: memory[1].address: ",
            "overlaps",
        ),
        ("[[register]]\nname = \"A\"\noffset = 0\n", "line 6: register[0]: ", "[[bar]]"),
        ("[[interrupt]]\nstatus = \"A\"\n", "line 7: interrupt[0].status: ", "there is none"),
    ];
    for (rest, start, accepted) in cases {
        let refusal = refusal_of(rest);
        assert!(refusal.starts_with(start) && refusal.contains(accepted), "{rest}: {refusal}");
    }
}

#[test]
fn registers_and_what_they_start_are_checked() {
    let cases = [
        (
            "[[register]]\nname = \"C\"\noffset = 12\n",
            "line 18: register[2].offset: ",
            "overlaps register \"B\"",
        ),
        ("[[register]]\nname = \"A\"\noffset = 4\n", "line 17: register[2].name: ", "another"),
        ("[[register]]\nname = \"C\"\noffset = 6\n", "line 18: register[2].offset: ", "multiples of 4"),
        ("[[register]]\nname = \"C\"\noffset = 64\n", "line 18: register[2].offset: ", "below 0x40"),
        ("[[register]]\nname = \"C\"\noffset = 4\nwidth = 3\n", "line 19: register[2].width: ", "1, 2, 4, 8"),
        (
            "[[register]]\nname = \"C\"\noffset = 4\naccess = [8]\n",
            "line 19: register[2].access[0]: ",
            "1, 2",
        ),
        (
            "[[register]]\nname = \"C\"\noffset = 4\nreset = 0x1_0000_0000\n",
            "line 19: register[2].reset: ",
            "4 bytes",
        ),
        (
            "[[register]]\nname = \"C\"\noffset = 4\n[[register.on-write]]\nset = { register = \"D\" }\n",
            "line 20: register[2].on-write[0].set.register: ",
            "accepted: A, B, C",
        ),
        (
            "[[register]]\nname = \"C\"\noffset = 4\non-write = [{ start = \"copy\" }]\n",
            "line 19: register[2].on-write[0].start: ",
            "no dma",
        ),
        (
            "[[register]]\nname = \"C\"\noffset = 4\non-write = [{ after = 1 }]\n",
            "line 19: register[2].on-write[0]: ",
            "one of store",
        ),
        (
            "[[register]]\nname = \"C\"\noffset = 4\nlocked-while = { bits = 1 }\n",
            "line 19: register[2].locked-while: ",
            "needs register",
        ),
        ("[[timer]]\nevery = 0\nactions = []\n", "line 17: timer[0].every: ", "1 boundary"),
        (
            "[[timer]]\nevery = 1\nactions = [{ set = { register = \"A\" } }]\n",
            "line 18: timer[0].actions[0].set: ",
            "needs bits",
        ),
        (
            "[[dma]]\nname = \"d\"\nsource = { value = 0 }\ndestination = { registers = [\"A\", \"B\"] }\n\
             length = { value = 1 }\ndirection = \"to-memory\"\n",
            "line 19: dma[0].destination.registers[1]: ",
            "at most 64",
        ),
        (
            "[[dma]]\nname = \"d\"\nsource = { }\ndestination = { value = 0 }\n\
             length = { value = 1 }\ndirection = \"to-memory\"\n",
            "line 18: dma[0].source: ",
            "one of registers",
        ),
        (
            "[[dma]]\nname = \"d\"\nsource = { value = 0 }\ndestination = { value = 0 }\nlength = { value = 1 }\n",
            "line 16: dma[0]: ",
            "to-memory-when",
        ),
    ];
    for (rest, start, accepted) in cases {
        let refusal = refusal_of(&format!("{REGISTERS}{rest}"));
        assert!(refusal.starts_with(start) && refusal.contains(accepted), "{rest}: {refusal}");
    }
}
