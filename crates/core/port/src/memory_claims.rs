//! What a driver claims of the machine's memory after its start: save areas, and ranges that are its hardware's.
//!
//! Source: "IOMMU-based GPU isolation". FRAMEBUFFERSAVESIZE is asked for each physical adapter right after its caps, and
//! HARDWARERESERVEDRANGES twice (the count, then the ranges), both only of drivers that claim isolation. What happens
//! when an answer cannot be right is not documented; the adapter then does not start (our choice).

use dxgk_abi::NtStatus;
use dxgk_abi::segment::SegmentFlags;
use dxgk_event::{ClaimKind, ClaimOutcome, Event, MemoryClaim, ModeChoice, ModeReason};
use dxgk_hw::PAGE_SIZE;
use dxgk_sysmm::{CallError, Platform, RangeRefused};

use crate::caps;
use crate::life::{Halt, LogicalAdapter, Port};
use crate::miniport::{DdiError, DeviceContext, Miniport};
use crate::vidmm::reported_segments;

/// What is wrong with a claim: why the adapter does not start, and the status that says so.
struct Refused {
    reason: ModeReason,
    status: NtStatus,
}

impl<M: Miniport, P: Platform> Port<'_, M, P> {
    /// Asks for what the driver claims, takes the commit charge of save areas, and lets the devices reach the ranges.
    ///
    /// # Errors
    /// [`Halt::Stopped`]; [`Halt::NotStarted`] when a claim was refused, the device is stopped then.
    pub(crate) fn take_memory_claims(
        &self,
        logical: &mut LogicalAdapter,
        device: DeviceContext,
    ) -> Result<(), Halt> {
        let claims = [self.save_areas(logical, device)?, self.ranges(logical, device)?];
        // Everything that is wrong is told; the first decides.
        match claims.into_iter().flatten().next() {
            None => Ok(()),
            Some(refused) => Err(match self.refuse_start(logical, refused.reason) {
                Err(Halt::NotStarted(_)) | Ok(()) => Halt::NotStarted(refused.status),
                Err(halt) => halt,
            }),
        }
    }

    fn save_areas(&self, logical: &LogicalAdapter, device: DeviceContext) -> Result<Option<Refused>, Halt> {
        let Some(lead) = logical.adapters.first().map(|lead| lead.identity.handle) else { return Ok(None) };
        let mut refused = None;
        for index in (0u32..).take(logical.adapters.len()) {
            let answer = caps::save_area(self.miniport, device, index).map_err(|_| Halt::Stopped)?;
            let Some(maximum) = answer else { continue };
            let status = match self.sysmm.create_save_area(lead, index, maximum) {
                Ok(()) => None,
                Err(error) => Some(error.status()),
            };
            let outcome = match status {
                None => ClaimOutcome::Granted,
                Some(_) if !maximum.is_multiple_of(PAGE_SIZE) => ClaimOutcome::Malformed,
                Some(_) => ClaimOutcome::NoRoom,
            };
            self.announce_claim(logical, ClaimKind::SaveArea, index, (0, maximum), outcome);
            if let Some(status) = status {
                refused.get_or_insert(Refused { reason: ModeReason::SaveAreaRefused, status });
            }
        }
        Ok(refused)
    }

    fn ranges(&self, logical: &LogicalAdapter, device: DeviceContext) -> Result<Option<Refused>, Halt> {
        let reserved = match self.miniport.hardware_reserved_ranges(device) {
            Err(DdiError::Stopped) => return Err(Halt::Stopped),
            // A driver that does not know the question reserves nothing.
            answer => answer.unwrap_or_default(),
        };
        let mut refused = None;
        for (index, range) in (0u32..).zip(reserved) {
            let answer = self.claim_range(logical, ClaimKind::ReservedRange, index, range);
            refused = refused.or(answer);
        }
        // VidMm maps what a segment is populated from before the attach; under remapping it has logical addresses.
        if self.sysmm.mode(logical.id) != ModeChoice::Remapping
            && logical.choice.mode == ModeChoice::Isolation
        {
            for segment in self.segments(logical, device)? {
                if segment.flags.contains(SegmentFlags::POPULATED_FROM_SYSTEM_MEMORY) {
                    let range = (segment.physical, segment.bytes);
                    let answer = self.claim_range(logical, ClaimKind::Segment, segment.id, range);
                    refused = refused.or(answer);
                }
            }
        }
        Ok(refused)
    }

    fn segments(
        &self,
        logical: &LogicalAdapter,
        device: DeviceContext,
    ) -> Result<alloc::vec::Vec<crate::vidmm::Segment>, Halt> {
        let Some(ddis) = self.miniport.video_memory() else { return Ok(alloc::vec::Vec::new()) };
        match reported_segments(ddis, device, logical.caps) {
            Err(DdiError::Stopped) => Err(Halt::Stopped),
            answer => Ok(answer.map(|segments| segments.list).unwrap_or_default()),
        }
    }

    fn claim_range(
        &self,
        logical: &LogicalAdapter,
        kind: ClaimKind,
        index: u32,
        (base, bytes): (u64, u64),
    ) -> Option<Refused> {
        let reason = ModeReason::ReservedRangeRefused;
        let (outcome, status) = match self.sysmm.reserve_range(logical.id, base, bytes) {
            Ok(()) => (ClaimOutcome::Granted, None),
            Err(RangeRefused::Malformed) => (ClaimOutcome::Malformed, Some(NtStatus::INVALID_PARAMETER)),
            Err(RangeRefused::InUse(_)) => (ClaimOutcome::InUse, Some(NtStatus::CONFLICTING_ADDRESSES)),
            Err(RangeRefused::NotMapped(error)) => (ClaimOutcome::NoRoom, Some(CallError::status(&error))),
        };
        self.announce_claim(logical, kind, index, (base, bytes), outcome);
        status.map(|status| Refused { reason, status })
    }

    fn announce_claim(
        &self,
        logical: &LogicalAdapter,
        kind: ClaimKind,
        index: u32,
        (base, bytes): (u64, u64),
        outcome: ClaimOutcome,
    ) {
        self.sink.emit(&Event::MemoryClaim(MemoryClaim {
            base,
            bytes,
            logical_adapter: logical.id.0,
            index,
            kind,
            outcome,
            reserved: [0; 6],
        }));
    }
}
