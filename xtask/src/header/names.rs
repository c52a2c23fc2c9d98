//! How the declarations are spelled in C.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::source::{Declarations, Numbers, Structure};

/// The words that are no structure and no number with names.
const WORDS: &[(&str, &str)] = &[
    ("u8", "UINT8"),
    ("u16", "UINT16"),
    ("u32", "UINT32"),
    ("u64", "UINT64"),
    ("i8", "INT8"),
    ("i16", "INT16"),
    ("i32", "INT32"),
    ("i64", "INT64"),
    ("Boolean", "BOOLEAN"),
    ("Handle", "HANDLE"),
    ("Pointer", "void *"),
    ("NtStatus", "NTSTATUS"),
    // `DXGKDDI_INTERFACE_VERSION` is no type on Windows but the version that a driver is compiled for.
    ("InterfaceVersion", "UINT32"),
];

/// Whether it can be a name in C.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}

/// The Windows name at the start of a documentation: `In, `hAdapter`: ...`.
pub(super) fn leading_name(text: &str) -> Option<&str> {
    let text = ["In and out, ", "In, ", "Out, "]
        .iter()
        .find_map(|direction| text.strip_prefix(direction))
        .unwrap_or(text);
    text.strip_prefix('`')?.split_once('`').map(|(name, _)| name).filter(|name| is_name(name))
}

/// `device_handle` as `DeviceHandle`; padding stays as it is.
pub(super) fn pascal(rust: &str) -> String {
    if rust.starts_with('_') {
        return rust.to_owned();
    }
    rust.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        })
        .map(Option::unwrap_or_default)
        .collect()
}

/// Whether constants of that name stand alone, as `STATUS_SUCCESS` does.
pub(super) fn is_upper(name: &str) -> bool {
    !name.chars().any(|letter| letter.is_ascii_lowercase())
}

/// All types by their Rust names.
pub(super) struct Types<'d> {
    structures: BTreeMap<&'d str, &'d Structure>,
    numbers: BTreeMap<&'d str, &'d Numbers>,
}

impl<'d> Types<'d> {
    pub(super) fn new(declarations: &'d Declarations) -> Self {
        Self {
            structures: declarations.structures.iter().map(|it| (it.rust.as_str(), it)).collect(),
            numbers: declarations.numbers.iter().map(|it| (it.rust.as_str(), it)).collect(),
        }
    }

    /// The structure that a type is, points at or is an array of.
    pub(super) fn structure(&self, ty: &str) -> Option<&'d Structure> {
        self.structures.get(element(pointee(ty).unwrap_or(ty))).copied()
    }

    /// The number with names that a type is, points at or is an array of.
    pub(super) fn numbers(&self, ty: &str) -> Option<&'d Numbers> {
        self.numbers.get(element(pointee(ty).unwrap_or(ty))).copied()
    }

    /// A type of one word in C, for a number without a Windows name its width.
    fn word(&self, ty: &str) -> Result<String> {
        if let Some((_, word)) = WORDS.iter().find(|(rust, _)| *rust == ty) {
            return Ok((*word).to_owned());
        }
        if let Some(structure) = self.structures.get(ty) {
            return Ok(structure.windows.clone());
        }
        let numbers = self.numbers.get(ty).with_context(|| format!("no such type: {ty}"))?;
        match type_name(numbers) {
            Some(name) => Ok(name.to_owned()),
            None => self.word(&numbers.repr),
        }
    }

    /// A declaration, `UINT8 Name[4]` or `const LUID *Name`.
    pub(super) fn declare(&self, ty: &str, name: &str) -> Result<String> {
        if let Some(to) = pointee(ty) {
            let constant = if ty.starts_with("*const ") { "const " } else { "" };
            return Ok(format!("{constant}{}", join(&self.word(to)?, &format!("*{name}"))));
        }
        let (mut ty, mut dimensions) = (ty, String::new());
        while let Some((inner, count)) = array(ty) {
            dimensions += &format!("[{count}]");
            ty = inner;
        }
        Ok(join(&self.word(ty)?, &format!("{name}{dimensions}")))
    }
}

/// A type and what is declared of it, with a space where one belongs.
fn join(word: &str, declared: &str) -> String {
    if word.ends_with('*') || declared.is_empty() {
        format!("{word}{declared}")
    } else {
        format!("{word} {declared}")
    }
}

/// The name that a number with names has as a type on Windows.
pub(super) fn type_name(numbers: &Numbers) -> Option<&str> {
    leading_name(&numbers.text).filter(|name| is_upper(name) && numbers.rust != "InterfaceVersion")
}

fn pointee(ty: &str) -> Option<&str> {
    ty.strip_prefix("*mut ").or_else(|| ty.strip_prefix("*const "))
}

/// Element and count of an array.
fn array(ty: &str) -> Option<(&str, &str)> {
    let (inner, count) = ty.strip_prefix('[')?.strip_suffix(']')?.rsplit_once(';')?;
    Some((inner.trim(), count.trim()))
}

/// What an array is made of, or the type itself.
fn element(ty: &str) -> &str {
    let mut ty = ty;
    while let Some((inner, _)) = array(ty) {
        ty = inner;
    }
    ty
}

#[cfg(test)]
mod tests {
    use super::{leading_name, pascal};

    #[test]
    fn the_windows_name_is_taken_from_the_start_of_the_documentation_only() {
        assert_eq!(leading_name("`Size`: bytes."), Some("Size"));
        assert_eq!(leading_name("In and out, `pDmaBuffer`: where."), Some("pDmaBuffer"));
        assert_eq!(leading_name("`u.Generic.Start` of memory"), None);
        assert_eq!(leading_name("The union, see `Type`."), None);
        assert_eq!(pascal("device_handle"), "DeviceHandle");
        assert_eq!(pascal("_pad0"), "_pad0");
    }
}
