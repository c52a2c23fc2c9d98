//! What QEMU's models do not do as the manuals say, by version. Found by experiment; each is something that is then
//! not asked of QEMU, while the model has to do it.

use dxgk_qemu::Installed;

use crate::family::Family;

/// Something that a version cannot witness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Blind {
    /// Refused requests are blocked, but nothing is logged.
    Records,
    /// An invalidation of pages forgets all of the domain.
    PagesAlone,
    /// Events of refused requests do not say their class.
    EventClass,
    /// A refused transfer is tried word by word, and each word is recorded.
    OneRecord,
    /// Addresses beyond stage 2's input are blocked without an event.
    WideStage2,
    /// Addresses of more than 48 bits do not reach the unit.
    WideAddresses,
    /// Scalable mode's second stage is reported with legacy mode's reasons.
    ScalableReasons,
    /// An invalidation of pages compares only the low eight bits of page numbers.
    HighPageBits,
}

impl Blind {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Records => "records: its unit blocks refused requests, but logs no event for them",
            Self::EventClass => "the class of events: its unit leaves the field 0 where it is IN",
            Self::OneRecord => {
                "that a refused transfer is recorded once: its bus tries it again in pieces, and its unit records each"
            }
            Self::WideStage2 => {
                "events of addresses beyond stage 2's width: its unit blocks them and records nothing"
            }
            Self::WideAddresses => {
                "events of addresses above 48 bits: its bus refuses them before its unit sees them"
            }
            Self::ScalableReasons => {
                "scalable mode's fault reasons of the second stage: its unit records legacy mode's"
            }
            Self::HighPageBits => {
                "that an invalidation of pages spares pages whose numbers are alike in the low eight bits: its mask \
                 is a byte"
            }
            Self::PagesAlone => {
                "that an invalidation of pages spares others: its unit forgets the whole domain"
            }
        }
    }
}

/// The blind spots of a version for a family.
pub(crate) fn spots(family: Family, installed: &Installed) -> Vec<Blind> {
    match family {
        Family::VtdLegacy if installed.major() < 10 => vec![Blind::HighPageBits],
        Family::VtdLegacy | Family::VtdFirstStage => Vec::new(),
        Family::SmmuStage1(_) | Family::SmmuStage2(_) if installed.major() < 10 => {
            vec![Blind::EventClass, Blind::OneRecord, Blind::WideAddresses]
        }
        Family::SmmuStage1(_) => vec![Blind::OneRecord],
        Family::SmmuStage2(_) => vec![Blind::OneRecord, Blind::WideStage2],
        Family::VtdSecondStage if installed.major() < 10 => {
            vec![Blind::HighPageBits, Blind::ScalableReasons]
        }
        Family::VtdSecondStage => vec![Blind::ScalableReasons],
        Family::Amdvi(_) if installed.major() < 11 => vec![Blind::Records, Blind::PagesAlone],
        Family::Amdvi(_) => vec![Blind::PagesAlone],
    }
}
