//! The invalidation queue (manual 6.5.2), and register-based invalidation (6.5.1).

use dxgk_hw::{MachineMemory, PAGE_SIZE, PhysAddr};
use dxgk_iopt::vtd::spec::{
    ContextCacheInvalidate, DESCRIPTOR_BYTES, DescriptorType, Granularity, InvalidationQueueAddress,
    IotlbInvalidate, IotlbInvalidateAddress, PasidCacheGranularity, PasidCacheInvalidate,
    PasidIotlbGranularity, PasidIotlbInvalidate, WIDE_DESCRIPTOR_BYTES, WaitDescriptor,
};

use super::context_cache::ignored_function_bits;
use super::registers::RegisterFile;
use super::space::Space;

/// The queue's registers.
#[derive(Default)]
pub(super) struct Queue {
    pub address: InvalidationQueueAddress,
    /// Index of the next descriptor to fetch (IQH_REG).
    pub head: u64,
    /// IQT_REG as written.
    pub tail: u64,
    /// FSTS_REG.IQE: stopped at a descriptor that is not legal.
    pub error: bool,
    /// ICS_REG.IWC: a wait descriptor asked for an interrupt.
    pub completed: bool,
}

/// The descriptor cannot be fetched, or breaks the manual's rules.
struct Illegal;

impl Queue {
    /// 256-bit descriptors belong to scalable mode.
    pub(super) fn descriptor_bytes(&self) -> u64 {
        if self.address.dw() { WIDE_DESCRIPTOR_BYTES } else { DESCRIPTOR_BYTES }
    }

    fn entries(&self) -> u64 {
        (PAGE_SIZE / self.descriptor_bytes()) << self.address.qs()
    }

    /// The first two words; no descriptor that the unit knows has anything in the others.
    fn fetch(&self, memory: &dyn MachineMemory) -> Result<[u64; 2], Illegal> {
        let at = self
            .address
            .iqa()
            .checked_mul(PAGE_SIZE)
            .and_then(|base| base.checked_add(self.head * self.descriptor_bytes()));
        let mut bytes = [0; WIDE_DESCRIPTOR_BYTES as usize];
        let whole = bytes.get_mut(..self.descriptor_bytes() as usize).ok_or(Illegal)?;
        memory.read(PhysAddr::new(at.ok_or(Illegal)?), whole).map_err(|_| Illegal)?;
        if bytes.iter().skip(DESCRIPTOR_BYTES as usize).any(|byte| *byte != 0) {
            return Err(Illegal);
        }
        let word = |at: usize| {
            bytes.iter().skip(at).take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
        };
        Ok([word(0), word(8)])
    }
}

impl RegisterFile {
    /// Executes descriptors up to the tail, or up to one that is not legal, which stops the queue there.
    pub(super) fn run_queue(&mut self, memory: &dyn MachineMemory) {
        if !self.queue_enabled() || self.queue.error {
            return;
        }
        let entries = self.queue.entries();
        let step = self.queue.descriptor_bytes();
        let tail = self.queue.tail / step;
        // 128-bit descriptors are legacy mode's, and a tail in the middle of one is none.
        let mismatch = self.queue.address.dw() != self.is_scalable() || !self.queue.tail.is_multiple_of(step);
        if tail >= entries || (mismatch && self.queue.head != tail) {
            self.queue.error = true;
            return;
        }
        // Each step moves the head towards a tail inside the queue: at most `entries` of them.
        while self.queue.head != tail {
            match self.queue.fetch(memory).and_then(|descriptor| self.execute(descriptor, memory)) {
                Ok(()) => self.queue.head = (self.queue.head + 1) % entries,
                Err(Illegal) => {
                    self.queue.error = true;
                    return;
                }
            }
        }
    }

    fn execute(&mut self, [first, second]: [u64; 2], memory: &dyn MachineMemory) -> Result<(), Illegal> {
        match DescriptorType::of(first) {
            Some(DescriptorType::ContextCache) => self.context_descriptor(first, second),
            Some(DescriptorType::Iotlb) => self.iotlb_descriptor(first, second),
            Some(DescriptorType::PasidCache) if self.is_scalable() => {
                self.pasid_cache_descriptor(PasidCacheInvalidate::from_bits(first), second)
            }
            Some(DescriptorType::PasidIotlb) if self.is_scalable() => {
                self.pasid_iotlb_descriptor(PasidIotlbInvalidate::from_bits(first), second)
            }
            Some(DescriptorType::Wait) => self.wait_descriptor(first, second, memory),
            // The unit has neither device TLBs nor interrupt remapping.
            _ => Err(Illegal),
        }
    }

    fn context_descriptor(&mut self, first: u64, second: u64) -> Result<(), Illegal> {
        let descriptor = ContextCacheInvalidate::from_bits(first);
        if descriptor.reserved() != 0 || descriptor.reserved_high() != 0 || second != 0 {
            return Err(Illegal);
        }
        let (did, sid, fm) = (descriptor.did(), descriptor.sid(), descriptor.fm());
        self.invalidate_contexts(descriptor.g(), did, sid, fm).then_some(()).ok_or(Illegal)
    }

    fn iotlb_descriptor(&mut self, first: u64, second: u64) -> Result<(), Illegal> {
        let descriptor = IotlbInvalidate::from_bits(first);
        let address = IotlbInvalidateAddress::from_bits(second);
        if descriptor.reserved() != 0 || descriptor.reserved_high() != 0 || address.reserved() != 0 {
            return Err(Illegal);
        }
        self.invalidate_iotlb(descriptor.g(), descriptor.did(), address).then_some(()).ok_or(Illegal)
    }

    fn pasid_cache_descriptor(
        &mut self,
        descriptor: PasidCacheInvalidate,
        second: u64,
    ) -> Result<(), Illegal> {
        if descriptor.reserved() != 0 || descriptor.reserved_high() != 0 || second != 0 {
            return Err(Illegal);
        }
        match descriptor.g() {
            PasidCacheGranularity::GLOBAL => self.pasids.forget_pasids(),
            PasidCacheGranularity::DOMAIN => self.pasids.forget_pasids_of(descriptor.did(), None),
            PasidCacheGranularity::PASID => {
                self.pasids.forget_pasids_of(descriptor.did(), Some(descriptor.pasid()));
            }
            _ => return Err(Illegal),
        }
        Ok(())
    }

    fn pasid_iotlb_descriptor(
        &mut self,
        descriptor: PasidIotlbInvalidate,
        second: u64,
    ) -> Result<(), Illegal> {
        let at = IotlbInvalidateAddress::from_bits(second);
        let reserved = descriptor.reserved() != 0 || descriptor.reserved_high() != 0 || at.reserved() != 0;
        if reserved || at.am() > self.config.max_address_mask {
            return Err(Illegal);
        }
        let space = Space { domain: descriptor.did(), pasid: Some(descriptor.pasid()) };
        match descriptor.g() {
            PasidIotlbGranularity::PASID if second == 0 => {
                self.iotlb.invalidate_tags(|tag| tag == space);
                self.structures.invalidate_tags(|tag| tag == space);
                Ok(())
            }
            PasidIotlbGranularity::PAGES => {
                self.forget_pages(|tag| tag == space, at);
                Ok(())
            }
            _ => Err(Illegal),
        }
    }

    fn wait_descriptor(
        &mut self,
        first: u64,
        second: u64,
        memory: &dyn MachineMemory,
    ) -> Result<(), Illegal> {
        let descriptor = WaitDescriptor::from_bits(first);
        // Page-request drain needs page requests.
        if descriptor.reserved() != 0 || descriptor.pd() || second & 0b11 != 0 {
            return Err(Illegal);
        }
        if descriptor.sw() {
            // A status address that is no memory swallows the write, as a bus does.
            let _ = memory.write(PhysAddr::new(second), &descriptor.data().to_le_bytes());
        }
        self.queue.completed |= descriptor.r#if();
        Ok(())
    }

    /// `false` when the granularity is reserved.
    pub(super) fn invalidate_contexts(&mut self, g: Granularity, did: u16, sid: u16, fm: u8) -> bool {
        match g {
            Granularity::Reserved => return false,
            Granularity::Global => {
                self.contexts.invalidate_all();
                self.pasids.forget_sources();
            }
            // Context entries of scalable mode have no domain: all go (6.5.2.1).
            Granularity::Domain => {
                self.contexts.invalidate_domain(did);
                self.pasids.forget_sources();
            }
            Granularity::Selective => {
                self.contexts.invalidate_device(did, sid, fm);
                self.pasids.forget_source(sid, ignored_function_bits(fm));
            }
        }
        true
    }

    /// `false` when the granularity is reserved, or the mask larger than the unit supports.
    pub(super) fn invalidate_iotlb(&mut self, g: Granularity, did: u16, at: IotlbInvalidateAddress) -> bool {
        let of = |tag: Space| tag.domain == did;
        match g {
            Granularity::Reserved => return false,
            Granularity::Global => {
                self.iotlb.invalidate_all();
                self.structures.invalidate_all();
            }
            Granularity::Domain => {
                self.iotlb.invalidate_tags(of);
                self.structures.invalidate_tags(of);
            }
            Granularity::Selective if at.am() > self.config.max_address_mask => return false,
            // Pages of the second stage: the first has a descriptor of its own.
            Granularity::Selective => self.forget_pages(|tag| of(tag) && tag.pasid.is_none(), at),
        }
        true
    }

    fn forget_pages(&mut self, of: impl Fn(Space) -> bool, at: IotlbInvalidateAddress) {
        let below = (1u64 << at.am()) - 1;
        let (first, last) = (at.addr() & !below, at.addr() | below);
        self.iotlb.invalidate_pages(&of, first, last);
        // The hint says that only leaves have changed (6.5.2.3, field IH).
        if !at.ih() {
            self.structures.invalidate_pages(&of, first, last);
        }
    }
}
