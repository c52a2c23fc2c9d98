//! The segments of an adapter, from the driver's answer.
//!
//! Pages "DXGK_QUERYSEGMENTOUT", "…3", "…4": segments are numbered from 1 in the order of the array.

use alloc::vec::Vec;

use dxgk_abi::caps::WddmVersion;
use dxgk_abi::segment::{SegmentDescriptor, SegmentDescriptor3, SegmentDescriptor4, SegmentFlags};
use dxgk_hw::PAGE_SIZE;
use zerocopy::FromBytes;

use super::ddi::{SegmentAnswer, SegmentQuery};

/// The segments that a set of 32 bits can name.
const MOST_SEGMENTS: usize = 32;
/// Bytes of a paging buffer at most (our choice).
const MOST_PAGING_BUFFER: u32 = 1 << 20;

/// A segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Its number, from 1.
    pub id: u32,
    /// What it is.
    pub flags: SegmentFlags,
    /// Where it begins in the device's address space, in bytes.
    pub base: u64,
    /// Bytes.
    pub bytes: u64,
    /// Where the processor sees it (`CpuTranslatedAddress`); for one with PopulatedFromSystemMemory, where its memory lies.
    pub physical: u64,
}

impl Segment {
    /// Whether the segment has no memory of its own.
    #[must_use]
    pub fn is_aperture(&self) -> bool {
        self.flags.contains(SegmentFlags::APERTURE)
    }

    pub(super) fn pages(&self) -> u64 {
        self.bytes / PAGE_SIZE
    }
}

/// What an adapter has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segments {
    /// In the order of their numbers.
    pub list: Vec<Segment>,
    /// Where the paging buffer lies; 0: system memory, contiguous.
    pub paging_buffer_segment: u32,
    /// Bytes of the paging buffer.
    pub paging_buffer_bytes: u32,
    /// Bytes of private data that go with it.
    pub paging_buffer_private_bytes: u32,
}

impl SegmentQuery {
    /// The question for a driver of this model (our choice: the newest that the model has; none is asked twice).
    pub(super) fn of(version: WddmVersion) -> Self {
        match version {
            version if version >= WddmVersion::V2 => Self::Fourth,
            version if version >= WddmVersion::V1_2 => Self::Third,
            _ => Self::First,
        }
    }

    /// Bytes of a descriptor.
    #[must_use]
    pub fn descriptor_bytes(self) -> usize {
        match self {
            Self::First => size_of::<SegmentDescriptor>(),
            Self::Third => size_of::<SegmentDescriptor3>(),
            Self::Fourth => size_of::<SegmentDescriptor4>(),
        }
    }

    fn segment(self, id: u32, bytes: &[u8]) -> Option<Segment> {
        let (flags, base, bytes, physical) = match self {
            Self::First => {
                let it = SegmentDescriptor::read_from_bytes(bytes).ok()?;
                (it.flags, it.base_address, it.size, it.cpu_translated_address)
            }
            Self::Third => {
                let it = SegmentDescriptor3::read_from_bytes(bytes).ok()?;
                (it.flags, it.base_address, it.size, it.cpu_translated_address)
            }
            Self::Fourth => {
                let it = SegmentDescriptor4::read_from_bytes(bytes).ok()?;
                // A union: the address stands where a CPU host aperture would.
                (it.flags, it.base_address, it.size, it.cpu_host_aperture.physical_address)
            }
        };
        Some(Segment { id, flags, base, bytes, physical })
    }
}

impl Segments {
    /// Reads an answer; `None` for one that cannot be right: no segment, more than 32, a paging buffer of nothing or of more
    /// than a megabyte, or in a segment that does not exist.
    pub(super) fn parse(query: SegmentQuery, answer: &SegmentAnswer) -> Option<Self> {
        let header = &answer.header;
        let list: Vec<Segment> = answer
            .descriptors
            .chunks_exact(query.descriptor_bytes())
            .zip(1..)
            .map(|(bytes, id)| query.segment(id, bytes))
            .collect::<Option<_>>()?;
        let known = header.paging_buffer_segment_id as usize <= list.len();
        let sane = !list.is_empty()
            && list.len() <= MOST_SEGMENTS
            && known
            && (1..=MOST_PAGING_BUFFER).contains(&header.paging_buffer_size);
        sane.then_some(Self {
            list,
            paging_buffer_segment: header.paging_buffer_segment_id,
            paging_buffer_bytes: header.paging_buffer_size,
            paging_buffer_private_bytes: header.paging_buffer_private_data_size,
        })
    }

    /// The segment with this number.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&Segment> {
        self.list.get((id as usize).checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use dxgk_abi::segment::QuerySegmentOut4;
    use zerocopy::IntoBytes;

    use super::*;

    fn answer(size: u32, segment: u32, count: usize) -> SegmentAnswer {
        let header = QuerySegmentOut4 {
            segment: count as u32,
            paging_buffer_segment_id: segment,
            paging_buffer_size: size,
            ..QuerySegmentOut4::default()
        };
        let one = SegmentDescriptor3 { size: 0x40_0000, base_address: 0xC000_0000, ..Default::default() };
        SegmentAnswer { header, descriptors: vec![one; count].as_bytes().to_vec() }
    }

    #[test]
    fn segments_are_numbered_from_one() {
        let segments = Segments::parse(SegmentQuery::Third, &answer(4096, 1, 2)).expect("sane");
        assert_eq!(segments.list.iter().map(|it| it.id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(segments.get(2).map(|it| (it.base, it.pages())), Some((0xC000_0000, 1024)));
        assert_eq!((segments.get(0), segments.get(3)), (None, None));
    }

    #[test]
    fn answers_that_cannot_be_right_are_refused() {
        for wrong in [
            answer(0, 1, 2),
            answer(2 << 20, 1, 2),
            answer(4096, 3, 2),
            answer(4096, 0, 0),
            answer(4096, 0, 33),
        ] {
            assert_eq!(Segments::parse(SegmentQuery::Third, &wrong), None);
        }
    }

    #[test]
    fn the_model_decides_which_question_is_asked() {
        let of = SegmentQuery::of;
        assert_eq!(of(WddmVersion(0)), SegmentQuery::First);
        assert_eq!(of(WddmVersion::V1), SegmentQuery::First);
        assert_eq!(of(WddmVersion::V1_3), SegmentQuery::Third);
        assert_eq!(of(WddmVersion::V2_6), SegmentQuery::Fourth);
    }
}
