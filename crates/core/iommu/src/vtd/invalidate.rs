//! Which descriptors invalidate what (VT-d 6.5.2).

use dxgk_hw::{LogicalPage, RequesterId};
use dxgk_iopt::vtd::spec::{
    Capability, ContextCacheInvalidate, DescriptorType, Granularity, IotlbInvalidate, IotlbInvalidateAddress,
    PasidCacheGranularity, PasidCacheInvalidate, PasidIotlbGranularity, PasidIotlbInvalidate,
};

use super::queue::Descriptor;

/// More page-selective descriptors than this are not worth it; the whole domain goes instead. Our choice.
pub(super) const MOST_SELECTIVE: usize = 16;

/// The context cache: everything.
pub(super) fn context_global() -> Descriptor {
    [context(Granularity::Global).into_bits(), 0]
}

/// The context cache: one device, as it stood with this domain.
pub(super) fn context_device(domain: u16, requester: RequesterId) -> Descriptor {
    [context(Granularity::Selective).with_did(domain).with_sid(requester.0).into_bits(), 0]
}

/// The PASID cache: everything.
pub(super) fn pasid_global() -> Descriptor {
    [pasid_cache(PasidCacheGranularity::GLOBAL).into_bits(), 0]
}

/// The PASID cache: requests without PASID, in a domain.
pub(super) fn pasid_of(domain: u16) -> Descriptor {
    [pasid_cache(PasidCacheGranularity::PASID).with_did(domain).into_bits(), 0]
}

/// The IOTLB: the first stage of requests without PASID, in a domain.
pub(super) fn first_stage_domain(domain: u16) -> Descriptor {
    [pasid_iotlb(PasidIotlbGranularity::PASID).with_did(domain).into_bits(), 0]
}

/// The IOTLB: everything.
pub(super) fn iotlb_global(capability: Capability) -> Descriptor {
    [iotlb(capability, Granularity::Global).into_bits(), 0]
}

/// The IOTLB: a domain.
pub(super) fn iotlb_domain(capability: Capability, domain: u16) -> Descriptor {
    [iotlb(capability, Granularity::Domain).with_did(domain).into_bits(), 0]
}

/// Which stage a range is invalidated in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    First,
    Second,
}

/// The IOTLB: a range, cut into aligned blocks, or the whole domain when there are too many of them or the unit
/// cannot select pages. Fills `out` and returns how many descriptors.
pub(super) fn iotlb_range(
    capability: Capability,
    stage: Stage,
    domain: u16,
    first: LogicalPage,
    pages: u64,
    tables: bool,
    out: &mut [Descriptor; MOST_SELECTIVE],
) -> usize {
    let mut used = 0;
    let (mut at, mut left) = (first.get(), pages);
    while capability.psi() && left != 0 {
        let am = left.ilog2().min(at.trailing_zeros()).min(u32::from(capability.mamv()));
        let address =
            IotlbInvalidateAddress::new().with_am(am as u8).with_ih(!tables).with_addr(at & ((1 << 52) - 1));
        let Some(slot) = out.get_mut(used) else { break };
        let first = match stage {
            Stage::First => pasid_iotlb(PasidIotlbGranularity::PAGES).with_did(domain).into_bits(),
            Stage::Second => iotlb(capability, Granularity::Selective).with_did(domain).into_bits(),
        };
        *slot = [first, address.into_bits()];
        used += 1;
        at = at.saturating_add(1 << am);
        left -= 1 << am;
    }
    if left == 0 {
        return used;
    }
    out[0] = match stage {
        Stage::First => first_stage_domain(domain),
        Stage::Second => iotlb_domain(capability, domain),
    };
    1
}

fn pasid_cache(g: PasidCacheGranularity) -> PasidCacheInvalidate {
    PasidCacheInvalidate::new().with_kind(DescriptorType::PasidCache as u8).with_g(g)
}

fn pasid_iotlb(g: PasidIotlbGranularity) -> PasidIotlbInvalidate {
    PasidIotlbInvalidate::new().with_kind(DescriptorType::PasidIotlb as u8).with_g(g)
}

fn context(g: Granularity) -> ContextCacheInvalidate {
    ContextCacheInvalidate::new().with_kind(DescriptorType::ContextCache as u8).with_g(g)
}

/// With draining where the unit can: requests under way have reached memory when the wait is over.
fn iotlb(capability: Capability, g: Granularity) -> IotlbInvalidate {
    IotlbInvalidate::new()
        .with_kind(DescriptorType::Iotlb as u8)
        .with_g(g)
        .with_dw(capability.dwd())
        .with_dr(capability.drd())
}
