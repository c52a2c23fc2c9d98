//! The declarations of `dxgk-abi` as it writes them: its own macros, read token by token.
//!
//! The crate's compiled table has every offset and size; what a field is called on Windows and which type it has is
//! in the source alone.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A structure or a table.
#[derive(Debug)]
pub(super) struct Structure {
    pub(super) rust: String,
    pub(super) windows: String,
    pub(super) packed: Option<u32>,
    pub(super) fields: Vec<Field>,
    /// Declared in the rooms that a display driver's interface is made of, not among the kernel's own structures.
    pub(super) display: bool,
}

/// A field, or a table's slot.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) rust: String,
    /// Empty for a slot, whose type is its function's.
    pub(super) ty: String,
    /// The documentation; a slot's Windows name.
    pub(super) text: String,
}

/// An open enumeration or a flag word.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) rust: String,
    pub(super) repr: String,
    pub(super) text: String,
    pub(super) flags: bool,
    /// Value and documentation.
    pub(super) constants: Vec<(u64, String)>,
}

/// A function across the boundary.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    /// Names and types.
    pub(super) arguments: Vec<(String, String)>,
    /// Empty: nothing.
    pub(super) returns: String,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    pub(super) structures: Vec<Structure>,
    pub(super) numbers: Vec<Numbers>,
    pub(super) functions: Vec<Function>,
}

impl Declarations {
    /// Reads all files below a folder, in the order of their names.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut found = Self::default();
        found.folder(folder, true)?;
        Ok(found)
    }

    fn folder(&mut self, folder: &Path, display: bool) -> Result<()> {
        let entries =
            std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.folder(&path, display && !path.ends_with("kernel"))?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path)?;
                self.file(&text, display).with_context(|| format!("{}", path.display()))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, text: &str, display: bool) -> Result<()> {
        let Ok(tokens) = TokenStream::from_str(text) else { bail!("is no Rust") };
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            let TokenTree::Ident(name) = token else { continue };
            match (name.to_string().as_str(), tokens.get(index + 1), tokens.get(index + 2)) {
                (macro_name, Some(TokenTree::Punct(bang)), Some(TokenTree::Group(body)))
                    if bang.as_char() == '!' =>
                {
                    let body: Vec<TokenTree> = body.stream().into_iter().collect();
                    match macro_name {
                        "layout" | "table" => self.structures.push(structure(&body, display)?),
                        "open_enum" | "flags" => self.numbers.push(numbers(&body, macro_name == "flags")?),
                        _ => {}
                    }
                }
                ("type", Some(TokenTree::Ident(name)), _) => {
                    self.functions.extend(function(name.to_string(), &tokens[index + 2..])?);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The parts between punctuation marks at this level.
fn split(tokens: &[TokenTree], mark: char) -> impl Iterator<Item = &[TokenTree]> {
    tokens
        .split(move |token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark))
        .filter(|part| !part.is_empty())
}

/// A string literal's contents.
fn string(token: &TokenTree) -> Option<String> {
    let text = token.to_string();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.replace("\\\"", "\""))
}

fn number(token: &TokenTree) -> Option<u64> {
    let text = token.to_string().replace('_', "");
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A type's tokens without spaces, but for the words of a pointer.
fn type_text(tokens: &[TokenTree]) -> String {
    let text: String = tokens.iter().map(|token| token.to_string()).collect::<Vec<_>>().join(" ");
    text.replace("* mut ", "*mut ").replace("* const ", "*const ").replace(" ;", ";")
}

/// The group of that delimiter, the first one.
fn group(tokens: &[TokenTree], delimiter: Delimiter) -> Option<Vec<TokenTree>> {
    tokens.iter().find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == delimiter => {
            Some(group.stream().into_iter().collect())
        }
        _ => None,
    })
}

/// The doc comment before a declaration, and the tokens behind it.
fn documentation(tokens: &[TokenTree]) -> (String, &[TokenTree]) {
    let mut text = String::new();
    let mut rest = tokens;
    while let [TokenTree::Punct(_), TokenTree::Group(attribute), after @ ..] = rest {
        let attribute: Vec<TokenTree> = attribute.stream().into_iter().collect();
        if let [_, _, literal] = &attribute[..]
            && let Some(line) = string(literal)
        {
            text += &line;
        }
        rest = after;
    }
    (text.trim().to_owned(), rest)
}

/// The identifier behind `struct`.
fn struct_name(tokens: &[TokenTree]) -> Result<String> {
    let mut names = tokens.iter().skip_while(|token| token.to_string() != "struct").skip(1);
    names.next().map(|name| name.to_string()).context("a declaration without `struct`")
}

fn structure(body: &[TokenTree], display: bool) -> Result<Structure> {
    let (_, rest) = documentation(body);
    let windows = rest.first().and_then(string).context("no Windows name")?;
    let size = group(rest, Delimiter::Bracket).with_context(|| format!("{windows}: no size"))?;
    let packed = match &size[..] {
        [_, _, packed] => number(packed).and_then(|packed| u32::try_from(packed).ok()),
        _ => None,
    };
    let fields = group(rest, Delimiter::Brace).with_context(|| format!("{windows}: no fields"))?;
    let rust = struct_name(rest)?;
    let mut read = Vec::new();
    // A table has two blocks, `header { ... } slots { ... }`.
    if fields.first().is_some_and(|token| token.to_string() == "header") {
        for block in fields.iter().filter_map(|token| match token {
            TokenTree::Group(group) => Some(group.stream().into_iter().collect::<Vec<_>>()),
            _ => None,
        }) {
            for line in split(&block, ';') {
                read.push(field(line).with_context(|| windows.clone())?);
            }
        }
    } else {
        for line in split(&fields, ';') {
            read.push(field(line).with_context(|| windows.clone())?);
        }
    }
    Ok(Structure { rust, windows, packed, fields: read, display })
}

/// `offset => name: Type, "documentation"` or `offset => name, "Name", SINCE`.
fn field(line: &[TokenTree]) -> Result<Field> {
    let [_, _, _, name, rest @ ..] = line else { bail!("no field: {}", type_text(line)) };
    let parts: Vec<&[TokenTree]> = split(rest, ',').collect();
    let [first, second, ..] = parts[..] else { bail!("no field: {}", type_text(line)) };
    let rust = name.to_string();
    Ok(match first {
        [TokenTree::Punct(_), ty @ ..] => {
            let text = second.first().and_then(string).unwrap_or_default();
            Field { rust, ty: type_text(ty), text }
        }
        [name] => Field { rust, ty: String::new(), text: string(name).context("a slot without a name")? },
        _ => bail!("no field: {}", type_text(line)),
    })
}

fn numbers(body: &[TokenTree], flags: bool) -> Result<Numbers> {
    let (text, rest) = documentation(body);
    let rust = struct_name(rest)?;
    let repr = group(rest, Delimiter::Parenthesis).with_context(|| format!("{rust}: no width"))?;
    let lines = group(rest, Delimiter::Brace).with_context(|| format!("{rust}: no constants"))?;
    let mut constants = Vec::new();
    for line in split(&lines, ';') {
        let [_, _, value, _, text] = line else { bail!("{rust}: no constant: {}", type_text(line)) };
        let value = number(value).with_context(|| format!("{rust}: {value} is no number"))?;
        constants.push((value, string(text).with_context(|| format!("{rust}: no text"))?));
    }
    Ok(Numbers { rust, repr: type_text(&repr), text, flags, constants })
}

/// `= driver_fn!(fn(name: Type, ...) -> Type);`, or nothing for another alias.
fn function(name: String, tokens: &[TokenTree]) -> Result<Option<Function>> {
    let [_, keyword, _, TokenTree::Group(body), ..] = tokens else { return Ok(None) };
    if keyword.to_string() != "driver_fn" {
        return Ok(None);
    }
    let body: Vec<TokenTree> = body.stream().into_iter().collect();
    let arguments = group(&body, Delimiter::Parenthesis).with_context(|| format!("{name}: no arguments"))?;
    let arguments = split(&arguments, ',')
        .map(|argument| match argument {
            [name, _, ty @ ..] => Ok((name.to_string(), type_text(ty))),
            _ => bail!("an argument without a type"),
        })
        .collect::<Result<Vec<_>>>()
        .with_context(|| name.clone())?;
    let returns = body.iter().skip_while(|token| token.to_string() != ">").skip(1).cloned();
    Ok(Some(Function { name, arguments, returns: type_text(&returns.collect::<Vec<_>>()) }))
}
