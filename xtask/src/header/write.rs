//! The header's text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use dxgk_abi::structures::STRUCTURES;

use super::names::{Types, is_upper, leading_name, pascal, type_name};
use super::source::{Declarations, Field, Function, Numbers, Structure};

/// Kernel structures that a driver makes itself, though no callback takes them.
const OF_THE_KERNEL: &[&str] =
    &["KEVENT", "IO_STATUS_BLOCK", "OBJECT_ATTRIBUTES", "KEY_VALUE_PARTIAL_INFORMATION", "OSVERSIONINFOEXW"];

/// Unions that `dxgk-abi` has as one word and describes in words: structure, field, members.
const UNIONS: &[(&str, &str, &str)] =
    &[("DXGK_ADL", "base_page_number_or_pages", "UINT64 BasePageNumber; UINT64 *Pages;")];

const HEAD: &str = "\
/*
 * The binary interface between Dxgkrnl and a display miniport, x86-64, as far as dxgk-abi describes it.
 *
 * Made by `cargo xtask header` from crates/core/abi; do not edit. Names, offsets and sizes are Windows', the text is not.
 * It is not made by cbindgen, which sees the declarations of that crate, macros all of them, only with an unstable compiler.
 *
 * Every offset and size that the crate asserts is asserted here again. What differs from the Windows Driver Kit's headers:
 * physical addresses are UINT64 and not unions with a QuadPart; pointers to what has no declaration here are void *;
 * a function's type is called as its slot with _FN behind; members of some unions lie in plain words.
 */
#ifndef DXGK_ABI_H
#define DXGK_ABI_H

#include <stddef.h>
#include <stdint.h>

/* The calling convention of Windows, on other systems too. */
#if defined(_WIN32) || !defined(__x86_64__)
#define DXGK_CALL
#else
#define DXGK_CALL __attribute__((ms_abi))
#endif

typedef uint8_t UINT8;
typedef uint16_t UINT16;
typedef uint32_t UINT32;
typedef uint64_t UINT64;
typedef int8_t INT8;
typedef int16_t INT16;
typedef int32_t INT32;
typedef int64_t INT64;
typedef uint8_t BOOLEAN;
typedef int32_t NTSTATUS;
typedef void *HANDLE;

#define NT_SUCCESS(status) ((NTSTATUS)(status) >= 0)
";

/// The whole header.
pub(super) fn header(declarations: &Declarations) -> Result<String> {
    let types = Types::new(declarations);
    let writer = Writer { declarations, types, functions: functions(declarations) };
    let structures = writer.chosen();
    for name in OF_THE_KERNEL {
        ensure!(
            structures.iter().any(|structure| structure.windows == *name),
            "there is no structure {name}"
        );
    }
    let mut out = HEAD.to_owned();
    out += "\n/* Structures. */\n";
    for structure in &structures {
        writeln!(out, "typedef struct {0} {0};", structure.windows)?;
    }
    out += "\n/* Numbers. */\n";
    writer.numbers(&mut out, &structures)?;
    out += "\n/* Functions. */\n";
    for function in &declarations.functions {
        writer.function(&mut out, function)?;
    }
    for structure in &structures {
        writer.structure(&mut out, structure)?;
    }
    out += "\n#endif\n";
    Ok(out)
}

fn functions(declarations: &Declarations) -> BTreeSet<&str> {
    declarations.functions.iter().map(|function| function.name.as_str()).collect()
}

struct Writer<'d> {
    declarations: &'d Declarations,
    types: Types<'d>,
    functions: BTreeSet<&'d str>,
}

impl<'d> Writer<'d> {
    /// What the header has, each structure behind those that it contains.
    fn chosen(&self) -> Vec<&'d Structure> {
        let mut chosen = Vec::new();
        for structure in &self.declarations.structures {
            if structure.display || OF_THE_KERNEL.contains(&structure.windows.as_str()) {
                self.choose(structure, &mut chosen);
            }
        }
        for function in &self.declarations.functions {
            for (_, ty) in &function.arguments {
                if let Some(structure) = self.types.structure(ty) {
                    self.choose(structure, &mut chosen);
                }
            }
        }
        chosen
    }

    fn choose(&self, structure: &'d Structure, chosen: &mut Vec<&'d Structure>) {
        // Members of unions are written where their union is.
        if structure.windows.contains('.') || chosen.iter().any(|it| it.windows == structure.windows) {
            return;
        }
        let members = self.members(structure);
        let fields = members.iter().flat_map(|(_, member)| &member.fields).chain(&structure.fields);
        for inner in fields.filter_map(|field| self.types.structure(&field.ty)) {
            self.choose(inner, chosen);
        }
        chosen.push(structure);
    }

    /// The members of a structure's unnamed union, with their names: `STRUCTURE.Member`.
    fn members(&self, structure: &Structure) -> Vec<(&'d str, &'d Structure)> {
        let all = self.declarations.structures.iter();
        all.filter_map(|it| {
            let (parent, member) = it.windows.split_once('.')?;
            (parent == structure.windows && !member.contains('.')).then_some((member, it))
        })
        .collect()
    }

    /// Constants and flag words of everything.
    fn numbers(&self, out: &mut String, structures: &[&Structure]) -> Result<()> {
        let mut fields: Vec<&str> = Vec::new();
        for structure in structures {
            fields.extend(structure.fields.iter().map(|field| field.ty.as_str()));
            for (_, member) in self.members(structure) {
                fields.extend(member.fields.iter().map(|field| field.ty.as_str()));
            }
        }
        for function in &self.declarations.functions {
            fields.extend(function.arguments.iter().map(|(_, ty)| ty.as_str()));
            fields.push(&function.returns);
        }
        let used: BTreeSet<&str> = fields
            .iter()
            .filter_map(|ty| self.types.numbers(ty))
            .map(|numbers| numbers.rust.as_str())
            // Answers to questions, and flags of words that are declared as plain words.
            .chain(["IommuCaps", "CmMemoryFlags", "CmInterruptFlags"])
            .collect();
        let mut written = BTreeMap::new();
        for numbers in self.declarations.numbers.iter().filter(|it| used.contains(it.rust.as_str())) {
            self.number(out, numbers, &mut written)?;
        }
        Ok(())
    }

    fn number(
        &self,
        out: &mut String,
        numbers: &'d Numbers,
        written: &mut BTreeMap<&'d str, u64>,
    ) -> Result<()> {
        let name = type_name(numbers);
        let repr = self.types.declare(&numbers.repr, "")?;
        if is_bit_fields(numbers) {
            // Flags that share their structure's name are written inside it.
            let is_structure = |name: &str| STRUCTURES.iter().any(|it| it.windows == name);
            if let Some(name) = name.filter(|name| !is_structure(name)) {
                writeln!(out, "typedef union {name} {{ {} }} {name};", bit_fields(numbers, &repr)?)?;
                writeln!(out, "_Static_assert(sizeof({name}) == sizeof({repr}), \"{name}\");")?;
            }
            return Ok(());
        }
        if let Some(name) = name
            && name != "NTSTATUS"
        {
            writeln!(out, "typedef {repr} {name};")?;
        }
        let ty = if numbers.rust == "NtStatus" { "NTSTATUS" } else { name.unwrap_or(&repr) };
        for (value, text) in &numbers.constants {
            let Some(constant) = leading_name(text) else { continue };
            if let Some(before) = written.insert(constant, *value) {
                ensure!(before == *value, "{constant} has two values");
                continue;
            }
            if is_upper(constant) {
                writeln!(out, "#define {constant} (({ty}){value:#x})")?;
            } else {
                // An enumerator is an int on Windows.
                writeln!(out, "enum {{ {constant} = {} }};", *value as u32 as i32)?;
            }
        }
        Ok(())
    }

    fn function(&self, out: &mut String, function: &Function) -> Result<()> {
        let arguments = function
            .arguments
            .iter()
            .map(|(name, ty)| self.types.declare(ty, &pascal(name)))
            .collect::<Result<Vec<_>>>()
            .with_context(|| function.name.clone())?;
        let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
        let name = format!("DXGK_CALL {}_FN", function.name);
        let head = match function.returns.as_str() {
            "" => format!("void {name}"),
            ty => self.types.declare(ty, &name)?,
        };
        writeln!(out, "typedef {head}({arguments});")?;
        Ok(())
    }

    fn structure(&self, out: &mut String, structure: &Structure) -> Result<()> {
        let windows = &structure.windows;
        let compiled = compiled_table(structure)?;
        out.push('\n');
        if let Some(packed) = structure.packed {
            writeln!(out, "#pragma pack(push, {packed})")?;
        }
        writeln!(out, "struct {windows} {{")?;
        let mut asserted = String::new();
        for (field, place) in structure.fields.iter().zip(compiled.fields) {
            let (declared, names) = self.field(structure, field)?;
            writeln!(out, "    {declared}")?;
            let inner = if self.is_union(structure, field) { self.members(structure) } else { Vec::new() };
            let mut places = Vec::new();
            for (member, inner) in &inner {
                for (field, place_inside) in inner.fields.iter().zip(compiled_table(inner)?.fields) {
                    for name in self.field(inner, field)?.1 {
                        let at = place.offset + place_inside.offset;
                        places.push((format!("{member}.{name}"), at, place_inside.size));
                    }
                }
            }
            if inner.is_empty() {
                places.extend(names.into_iter().map(|name| (name, place.offset, place.size)));
            }
            for (name, offset, size) in places {
                let at = format!("offsetof({windows}, {name}) == {offset}");
                let long = format!("sizeof((({windows} *)0)->{name}) == {size}");
                writeln!(asserted, "_Static_assert({at} && {long}, \"{windows}.{name}\");")?;
            }
        }
        out.push_str("};\n");
        if structure.packed.is_some() {
            out.push_str("#pragma pack(pop)\n");
        }
        writeln!(out, "_Static_assert(sizeof({windows}) == {}, \"{windows}\");", compiled.size)?;
        out.push_str(&asserted);
        Ok(())
    }

    /// Whether a field is the area of an unnamed union whose members are structures.
    fn is_union(&self, structure: &Structure, field: &Field) -> bool {
        field.ty.starts_with('[') && field.text.contains("the union") && !self.members(structure).is_empty()
    }

    /// A field's declaration, and what its place is asserted of.
    fn field(&self, structure: &Structure, field: &Field) -> Result<(String, Vec<String>)> {
        if field.ty.is_empty() {
            let name = &field.text;
            let declared = if self.functions.contains(name.as_str()) {
                format!("{name}_FN *{name};")
            } else {
                format!("void *{name};")
            };
            return Ok((declared, vec![name.clone()]));
        }
        if let Some((_, _, members)) =
            UNIONS.iter().find(|(windows, rust, _)| *windows == structure.windows && *rust == field.rust)
        {
            let names = split_members(members);
            return Ok((format!("union {{ {members} }};"), names));
        }
        let name = leading_name(&field.text).map_or_else(|| pascal(&field.rust), str::to_owned);
        if self.is_union(structure, field) {
            return self.union(field, &self.members(structure));
        }
        if let Some(numbers) = self.types.numbers(&field.ty)
            && is_bit_fields(numbers)
            && (type_name(numbers).is_none() || name == "Value")
        {
            let repr = self.types.declare(&numbers.repr, "")?;
            let bits = bit_fields(numbers, &repr)?;
            // `Value` beside the bits is a union without a name on Windows, too.
            let end = if name == "Value" { String::new() } else { format!(" {name}") };
            return Ok((format!("union {{ {bits} }}{end};"), vec![name]));
        }
        if let Some(inner) = self.types.structure(&field.ty).filter(|inner| inner.windows.contains('.')) {
            return Ok((format!("{} {name};", self.unnamed(inner)?), vec![name]));
        }
        Ok((format!("{};", self.types.declare(&field.ty, &name)?), vec![name]))
    }

    /// A structure that has no name of its own on Windows.
    fn unnamed(&self, structure: &Structure) -> Result<String> {
        let fields = structure.fields.iter().map(|field| Ok(self.field(structure, field)?.0));
        Ok(format!("struct {{ {} }}", fields.collect::<Result<Vec<_>>>()?.join(" ")))
    }

    /// An unnamed union of the structures that may lie in a field.
    fn union(&self, field: &Field, members: &[(&str, &Structure)]) -> Result<(String, Vec<String>)> {
        let raw = self.types.declare(&field.ty, &format!("_{}", field.rust))?;
        let mut text = format!("union {{\n        {raw};\n");
        for (name, member) in members {
            text += &format!("        {} {name};\n", self.unnamed(member)?);
        }
        let names = members.iter().map(|(name, _)| (*name).to_owned()).collect();
        Ok((text + "    };", names))
    }
}

/// What the compiler made of a structure.
fn compiled_table(structure: &Structure) -> Result<&'static dxgk_abi::layout::Structure> {
    let windows = &structure.windows;
    let compiled = STRUCTURES.iter().find(|it| it.windows == *windows);
    let compiled = compiled.with_context(|| format!("{windows} is not in the compiled table"))?;
    ensure!(
        compiled.fields.iter().map(|field| field.name).eq(structure.fields.iter().map(|it| it.rust.as_str())),
        "{windows}: source and compiled table have different fields"
    );
    Ok(compiled)
}

/// The names in `UINT64 A; UINT64 *B;`.
fn split_members(members: &str) -> Vec<String> {
    let parts = members.split(';').filter_map(|part| part.rsplit([' ', '*']).next());
    parts.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Flags whose names are members on Windows, and not constants.
fn is_bit_fields(numbers: &Numbers) -> bool {
    numbers.flags
        && numbers.constants.iter().any(|(_, text)| leading_name(text).is_some_and(|name| !is_upper(name)))
}

/// `struct { UINT32 Name : 1; ... }; UINT32 Value;`
fn bit_fields(numbers: &Numbers, repr: &str) -> Result<String> {
    let mut text = String::from("struct {");
    let mut at = 0;
    for (mask, documentation) in &numbers.constants {
        let (start, width) = (mask.trailing_zeros(), mask.count_ones());
        ensure!(start >= at && mask >> start == (1 << width) - 1, "{}: bits out of order", numbers.rust);
        if start > at {
            write!(text, " {repr} : {};", start - at)?;
        }
        let name =
            leading_name(documentation).with_context(|| format!("{}: {documentation}", numbers.rust))?;
        write!(text, " {repr} {name} : {width};")?;
        at = start + width;
    }
    Ok(text + &format!(" }}; {repr} Value;"))
}
