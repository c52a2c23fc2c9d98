//! `DxgkDdiQueryAdapterInfo`, typed.

use core::marker::PhantomData;

use dxgk_abi::NtStatus;
use dxgk_abi::caps::DriverCaps;
use dxgk_abi::query::{
    FrameBufferSaveArea, HardwareReservedRanges, IommuCaps, PhysicalAdapterCaps, PhysicalMemoryCaps,
    PhysicalMemoryRange, QueryAdapterInfoType,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::raw;
use crate::resources::word;
use crate::status::Result;

/// Where an answer goes. Room for an older, shorter form of the structure takes the front of it: members are only
/// ever appended.
#[derive(Debug)]
pub struct Answer<'q, T> {
    room: &'q mut [u8],
    kind: PhantomData<T>,
}

impl<'q, T: IntoBytes + FromBytes + Immutable> Answer<'q, T> {
    /// Room of at least `least` bytes.
    fn new(room: &'q mut [u8], least: usize) -> Result<Self> {
        if room.len() < least {
            return Err(NtStatus::BUFFER_TOO_SMALL);
        }
        Ok(Self { room, kind: PhantomData })
    }

    /// Answers.
    pub fn give(self, answer: &T) {
        for (to, from) in self.room.iter_mut().zip(answer.as_bytes()) {
            *to = *from;
        }
    }

    /// What lies in the room now, when there is room for all of it: some questions bring a part of the answer along.
    pub fn given(&self) -> Option<T> {
        T::read_from_prefix(self.room).ok().map(|(value, _)| value)
    }
}

impl Answer<'_, HardwareReservedRanges> {
    /// Answers with ranges: how many there are, and, in the second of the two calls, the ranges themselves, as many as the
    /// port driver made room for.
    pub fn report(self, ranges: &[PhysicalMemoryRange]) {
        let mut answer = self.given().unwrap_or_default();
        let room = core::mem::replace(&mut answer.num_ranges, ranges.len() as u32);
        raw::query::fill_ranges(answer.physical_ranges, room, ranges);
        self.give(&answer);
    }
}

/// A question.
#[derive(Debug)]
#[non_exhaustive]
pub enum Query<'q> {
    /// `DXGKQAITYPE_DRIVERCAPS`, after the start.
    DriverCaps(Answer<'q, DriverCaps>),
    /// `DXGKQAITYPE_PHYSICALADAPTERCAPS`: the index of the adapter within its chain.
    PhysicalAdapterCaps(u32, Answer<'q, PhysicalAdapterCaps>),
    /// `DXGKQAITYPE_PHYSICAL_MEMORY_CAPS`, before the start.
    PhysicalMemoryCaps(Answer<'q, PhysicalMemoryCaps>),
    /// `DXGKQAITYPE_IOMMU_CAPS`, before the start.
    IommuCaps(Answer<'q, IommuCaps>),
    /// `DXGKQAITYPE_FRAMEBUFFERSAVESIZE`: the index of the adapter within its chain.
    FrameBufferSaveSize(u32, Answer<'q, FrameBufferSaveArea>),
    /// `DXGKQAITYPE_HARDWARERESERVEDRANGES`.
    HardwareReservedRanges(Answer<'q, HardwareReservedRanges>),
    /// Anything else.
    Other {
        /// What is asked.
        kind: QueryAdapterInfoType,
        /// The question's input.
        input: &'q [u8],
        /// Room for the answer.
        output: &'q mut [u8],
    },
}

/// Bytes of `DXGK_DRIVERCAPS` in its first version.
const FIRST_DRIVER_CAPS: usize = 336;

impl<'q> Query<'q> {
    /// The question in an argument's type, input and output.
    pub(crate) fn new(kind: QueryAdapterInfoType, input: &'q [u8], output: &'q mut [u8]) -> Result<Self> {
        // An index that is not given means the only adapter.
        let index = word(input, 0).unwrap_or(0);
        Ok(match kind {
            QueryAdapterInfoType::DRIVERCAPS => Self::DriverCaps(Answer::new(output, FIRST_DRIVER_CAPS)?),
            QueryAdapterInfoType::PHYSICALADAPTERCAPS => {
                Self::PhysicalAdapterCaps(index, Answer::new(output, 16)?)
            }
            QueryAdapterInfoType::PHYSICAL_MEMORY_CAPS => {
                Self::PhysicalMemoryCaps(Answer::new(output, size_of::<PhysicalMemoryCaps>())?)
            }
            QueryAdapterInfoType::IOMMU_CAPS => Self::IommuCaps(Answer::new(output, size_of::<IommuCaps>())?),
            QueryAdapterInfoType::FRAMEBUFFERSAVESIZE => {
                Self::FrameBufferSaveSize(index, Answer::new(output, size_of::<FrameBufferSaveArea>())?)
            }
            QueryAdapterInfoType::HARDWARERESERVEDRANGES => {
                Self::HardwareReservedRanges(Answer::new(output, size_of::<HardwareReservedRanges>())?)
            }
            kind => Self::Other { kind, input, output },
        })
    }
}
