//! What a driver's file says of its symbols ("PE Format", debug directory; `.gnu_debuglink` of GNU objcopy).

use object::read::pe::PeFile64;
use object::{Object, ObjectSection};

/// The build that a PDB must be of: RSDS record of the debug directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Build {
    /// The GUID, in the order in which it is written.
    pub(super) number: u128,
    pub(super) age: u32,
}

impl Build {
    /// The GUID of its 16 bytes in the file.
    pub(super) fn number(guid: [u8; 16]) -> u128 {
        let [a, b, c, d, e, f, g, h, rest @ ..] = guid;
        let low = u64::from_be_bytes(rest);
        let first = u32::from_le_bytes([a, b, c, d]);
        let (second, third) = (u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]));
        (u128::from(first) << 96) | (u128::from(second) << 80) | (u128::from(third) << 64) | u128::from(low)
    }
}

/// What is said.
#[derive(Clone, Debug, Default)]
pub(super) struct Says {
    pub(super) build: Option<Build>,
    /// File name of the PDB, without the folders of the machine that made it.
    pub(super) pdb: Option<String>,
    /// File name and CRC-32 of a file with DWARF.
    pub(super) link: Option<(String, u32)>,
    /// It has DWARF itself.
    pub(super) dwarf: bool,
}

/// Reads it; a file that is no PE32+ says nothing.
pub(super) fn read(bytes: &[u8]) -> Says {
    let Ok(file) = PeFile64::parse(bytes) else { return Says::default() };
    let record = file.pdb_info().ok().flatten();
    let build =
        record.as_ref().map(|record| Build { number: Build::number(record.guid()), age: record.age() });
    let pdb = record.and_then(|record| file_name(&String::from_utf8_lossy(record.path())));
    let link = file.section_by_name(".gnu_debuglink").and_then(|section| debug_link(section.data().ok()?));
    let dwarf = file
        .section_by_name(".debug_info")
        .is_some_and(|section| section.data().is_ok_and(|data| !data.is_empty()));
    Says { build, pdb, link, dwarf }
}

/// `.gnu_debuglink`: a name that ends with 0, padding to four bytes, the CRC (GDB manual, "Separate Debug Files").
fn debug_link(section: &[u8]) -> Option<(String, u32)> {
    let end = section.iter().position(|byte| *byte == 0)?;
    let name = file_name(&String::from_utf8_lossy(section.get(..end)?))?;
    let crc = section.get((end + 1).next_multiple_of(4)..)?.first_chunk()?;
    Some((name, u32::from_le_bytes(*crc)))
}

/// The last part of a path of Windows or of Unix; nothing that would lead elsewhere.
fn file_name(path: &str) -> Option<String> {
    let name = path.trim_end_matches('\0').rsplit(['/', '\\']).next()?;
    (!name.is_empty() && name != "." && name != ".." && !name.contains('\0')).then(|| name.to_owned())
}

/// CRC-32 of a file with DWARF, as `.gnu_debuglink` has it (polynomial 0xEDB88320).
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|index| {
        (0..8).fold(index as u32, |crc, _| (crc >> 1) ^ if crc & 1 != 0 { 0xEDB8_8320 } else { 0 })
    });
    !bytes.iter().fold(!0, |crc, byte| {
        (crc >> 8) ^ table.get(usize::from(crc as u8 ^ byte)).copied().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::{Build, crc32, file_name};

    #[test]
    fn the_name_of_a_pdb_is_the_last_part_of_whatever_path_was_recorded() {
        assert_eq!(file_name(r"D:\build\x64\Release\gpu.pdb").as_deref(), Some("gpu.pdb"));
        assert_eq!(file_name("/home/me/target/gpu.pdb\0").as_deref(), Some("gpu.pdb"));
        for nothing in ["", r"C:\", "a/..", "x\0y"] {
            assert_eq!(file_name(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_crc_is_the_published_check_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_guid_is_written_with_its_first_three_parts_turned_round() {
        let bytes = [0x78, 0x56, 0x34, 0x12, 0xBC, 0x9A, 0xF0, 0xDE, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(Build::number(bytes), 0x1234_5678_9ABC_DEF0_0102_0304_0506_0708);
    }
}
