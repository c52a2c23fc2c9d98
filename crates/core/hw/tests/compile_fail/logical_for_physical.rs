use dxgk_hw::{LogicalAddr, MachineMemory, PhysAddr};

fn read(memory: &dyn MachineMemory, given_by_device: LogicalAddr) {
    let mut word = [0; 8];
    let _ = memory.read(given_by_device, &mut word);
}

fn convert(physical: PhysAddr) -> LogicalAddr {
    physical.into()
}

fn compare(physical: PhysAddr, logical: LogicalAddr) -> bool {
    physical == logical
}

fn main() {}
