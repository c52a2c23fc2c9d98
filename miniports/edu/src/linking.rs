//! Linked adapters: which devices make a chain, and whose handle its lead has.
//!
//! The driver has no bridge to look at: the devices that were added since the last chain are the next one, in that order.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use dxgk_miniport::abi::NtStatus;
use dxgk_miniport::{Adapter, Link, Result};

/// Chains that are known at most.
const CHAINS: usize = 32;

static ADDED: AtomicU32 = AtomicU32::new(0);
static CHAIN: AtomicU32 = AtomicU32::new(0);
static LINKS: AtomicU32 = AtomicU32::new(0);
static LEFT: AtomicU32 = AtomicU32::new(0);
/// The handles of the leads, by chain, from their start on.
static LEADS: [AtomicU64; CHAINS] = [const { AtomicU64::new(0) }; CHAINS];

/// A device's place in its chain; chain 0 is none.
#[derive(Debug, Default)]
pub(crate) struct Linking {
    chain: AtomicU32,
    follows: AtomicU32,
}

impl Linking {
    /// A device was added.
    pub(crate) fn added() -> Self {
        ADDED.fetch_add(1, Ordering::Relaxed);
        Self::default()
    }

    /// It goes.
    pub(crate) fn removed(&self) {
        if self.chain.load(Ordering::Relaxed) == 0 {
            ADDED.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// It is linked; the port driver asks this of one device after the other, and of nothing else meanwhile.
    pub(crate) fn link(&self) -> Result<Link> {
        let lead = LEFT.load(Ordering::Relaxed) == 0;
        if lead {
            let links = ADDED.swap(0, Ordering::Relaxed);
            LINKS.store(links, Ordering::Relaxed);
            LEFT.store(links, Ordering::Relaxed);
            CHAIN.fetch_add(1, Ordering::Relaxed);
        }
        let chain = CHAIN.load(Ordering::Relaxed);
        if LEFT.load(Ordering::Relaxed) == 0 || chain as usize >= CHAINS {
            return Err(NtStatus::INVALID_DEVICE_STATE);
        }
        LEFT.fetch_sub(1, Ordering::Relaxed);
        self.chain.store(chain, Ordering::Relaxed);
        self.follows.store(u32::from(!lead), Ordering::Relaxed);
        Ok(Link { chain, links: LINKS.load(Ordering::Relaxed), lead })
    }

    /// It starts: the lead leaves its handle, which the others use where a callback wants the lead's.
    pub(crate) fn start(&self, adapter: &Adapter) {
        let chain = self.chain.load(Ordering::Relaxed) as usize;
        let Some(lead) = LEADS.get(chain).filter(|_| chain != 0) else { return };
        if self.follows.load(Ordering::Relaxed) == 0 {
            lead.store(adapter.handle().0, Ordering::Relaxed);
        } else {
            adapter.set_lead(dxgk_miniport::abi::Handle(lead.load(Ordering::Relaxed)));
        }
    }

    /// The driver is unloaded.
    pub(crate) fn unload() {
        for number in [&ADDED, &CHAIN, &LINKS, &LEFT] {
            number.store(0, Ordering::Relaxed);
        }
    }
}
