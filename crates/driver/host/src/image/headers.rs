//! The headers of a PE32+ file, checked.

use object::LittleEndian as LE;
use object::pe;
use object::read::pe::ImageNtHeaders;

use super::error::LoadError;
use crate::layout::PAGE_SIZE;

/// `IMAGE_SUBSYSTEM_NATIVE`.
pub(super) const NATIVE: u16 = 1;
const MOST_BYTES: u32 = 256 << 20;

/// Indices of data directories.
pub(super) struct Directory;

impl Directory {
    pub(super) const IMPORT: usize = 1;
    pub(super) const EXCEPTION: usize = 3;
    pub(super) const RELOCATION: usize = 5;
    pub(super) const DEBUG: usize = 6;
    pub(super) const LOAD_CONFIG: usize = 10;
}

pub(super) struct Section {
    pub(super) name: String,
    /// Relative virtual address, whole pages.
    pub(super) at: u32,
    /// Bytes in memory, not rounded.
    pub(super) memory_bytes: u32,
    file_at: u32,
    file_bytes: u32,
    characteristics: u32,
}

impl Section {
    pub(super) fn executable(&self) -> bool {
        self.characteristics & (pe::IMAGE_SCN_MEM_EXECUTE | pe::IMAGE_SCN_CNT_CODE) != 0
    }

    pub(super) fn writable(&self) -> bool {
        self.characteristics & pe::IMAGE_SCN_MEM_WRITE != 0
    }

    /// Whether it is needed until the driver is initialised only.
    pub(super) fn discardable(&self) -> bool {
        self.characteristics & pe::IMAGE_SCN_MEM_DISCARDABLE != 0
    }

    /// The part of the file that the section begins with; the rest of it is zero.
    pub(super) fn content<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], LoadError> {
        if self.file_bytes == 0 {
            return Ok(&[]);
        }
        // The file's part is rounded up to the file alignment and may be longer than the memory's.
        let bytes = self.file_bytes.min(self.memory_bytes) as usize;
        let part = file.get(self.file_at as usize..).and_then(|rest| rest.get(..bytes));
        part.ok_or(LoadError::Truncated("sections"))
    }

    fn end(&self) -> u64 {
        (u64::from(self.at) + u64::from(self.memory_bytes)).next_multiple_of(PAGE_SIZE)
    }
}

pub(super) struct Headers {
    pub(super) preferred_base: u64,
    pub(super) image_bytes: u32,
    pub(super) header_bytes: u32,
    pub(super) entry: u32,
    pub(super) subsystem: u16,
    /// The linker left out the relocations: the image can only be at its preferred base.
    pub(super) stripped: bool,
    pub(super) sections: Vec<Section>,
    directories: Vec<(u32, u32)>,
}

impl Headers {
    pub(super) fn parse(file: &[u8]) -> Result<Self, LoadError> {
        let dos = pe::ImageDosHeader::parse(file).map_err(|_| LoadError::NotPe("no MZ header"))?;
        let start = dos.nt_headers_offset();
        // What kind of image it is, before the parser refuses other kinds without saying why.
        let (machine, magic) = kind(file, start).ok_or(LoadError::NotPe("no PE header"))?;
        if machine != pe::IMAGE_FILE_MACHINE_AMD64 {
            return Err(LoadError::NotX64(machine));
        }
        if magic != pe::IMAGE_NT_OPTIONAL_HDR64_MAGIC {
            return Err(LoadError::NotPe64(magic));
        }
        let mut offset = u64::from(start);
        let (nt, directories) =
            pe::ImageNtHeaders64::parse(file, &mut offset).map_err(|_| LoadError::Truncated("headers"))?;
        let table = nt.sections(file, offset).map_err(|_| LoadError::Truncated("section headers"))?;
        let optional = &nt.optional_header;
        let alignment = optional.section_alignment.get(LE);
        if alignment == 0 || u64::from(alignment) % PAGE_SIZE != 0 {
            return Err(LoadError::Alignment(alignment));
        }
        let image_bytes = optional.size_of_image.get(LE);
        let header_bytes = optional.size_of_headers.get(LE);
        if image_bytes == 0 || image_bytes > MOST_BYTES || header_bytes > image_bytes {
            return Err(LoadError::ImageSize(image_bytes));
        }
        let sections = table.iter().map(section).collect();
        let directory = |entry: &pe::ImageDataDirectory| (entry.virtual_address.get(LE), entry.size.get(LE));
        let headers = Self {
            preferred_base: optional.image_base.get(LE),
            image_bytes,
            header_bytes,
            entry: optional.address_of_entry_point.get(LE),
            subsystem: optional.subsystem.get(LE),
            stripped: nt.file_header.characteristics.get(LE) & pe::IMAGE_FILE_RELOCS_STRIPPED != 0,
            sections,
            directories: directories.iter().map(directory).collect(),
        };
        headers.check()?;
        Ok(headers)
    }

    /// A directory's place and size; `None` when the file has none.
    pub(super) fn directory(&self, index: usize) -> Option<(u32, u32)> {
        self.directories.get(index).copied().filter(|&(at, size)| at != 0 && size != 0)
    }

    fn check(&self) -> Result<(), LoadError> {
        let mut end = u64::from(self.header_bytes).next_multiple_of(PAGE_SIZE);
        for section in &self.sections {
            if !u64::from(section.at).is_multiple_of(PAGE_SIZE)
                || section.memory_bytes == 0
                || section.end() > u64::from(self.image_bytes).next_multiple_of(PAGE_SIZE)
            {
                return Err(LoadError::SectionOutside(section.name.clone()));
            }
            if u64::from(section.at) < end {
                return Err(LoadError::SectionsOverlap(section.name.clone()));
            }
            end = section.end();
        }
        let code = |section: &&Section| {
            section.executable() && self.entry >= section.at && self.entry - section.at < section.memory_bytes
        };
        if !self.sections.iter().any(|section| code(&section)) {
            return Err(LoadError::EntryPoint(self.entry));
        }
        Ok(())
    }
}

/// Machine and optional header magic.
fn kind(file: &[u8], start: u32) -> Option<(u16, u16)> {
    let headers = file.get(start as usize..)?;
    if headers.get(..4)? != b"PE\0\0" {
        return None;
    }
    let word = |at: usize| headers.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
    Some((word(4)?, word(24)?))
}

fn section(header: &pe::ImageSectionHeader) -> Section {
    let name = header.raw_name();
    let file_bytes = header.size_of_raw_data.get(LE);
    let memory_bytes = match header.virtual_size.get(LE) {
        0 => file_bytes,
        size => size,
    };
    Section {
        name: String::from_utf8_lossy(name).into_owned(),
        at: header.virtual_address.get(LE),
        memory_bytes,
        file_at: header.pointer_to_raw_data.get(LE),
        file_bytes,
        characteristics: header.characteristics.get(LE),
    }
}
