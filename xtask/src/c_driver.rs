//! The sample in C as a Windows driver: clang, and for all else the linker that the toolchain brings.
//!
//! That linker also makes the import library, of a list of names.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::driver::TARGET;
use crate::{header, shell};

/// clang, if there is one: what `CLANG` names, or the one in the path.
pub(crate) fn clang() -> Option<String> {
    let clang = std::env::var("CLANG").ok().filter(|it| !it.is_empty()).unwrap_or_else(|| "clang".to_owned());
    shell::output(&clang, &["--version"]).map(|_| clang)
}

/// The linker that the toolchain brings.
fn linker() -> Result<String> {
    let root = shell::output("rustc", &["--print", "sysroot"]).context("rustc does not say where it is")?;
    let version = shell::output("rustc", &["-vV"]).context("rustc does not say what it is")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not say what it runs on")?;
    Ok(format!("{}/lib/rustlib/{host}/bin/rust-lld", root.trim()))
}

/// Builds it and returns where it is.
pub(crate) fn build() -> Result<PathBuf> {
    let clang = clang()
        .context("the C sample needs clang in the path, or named by CLANG (Debian: apt-get install clang)")?;
    let linker = linker()?;
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    let folder = metadata.target_directory.join(TARGET).join("c-driver").into_std_path_buf();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let sources = header::root()?.join("miniports/c");
    let library = folder.join("ntoskrnl.lib");
    let definitions = sources.join("ntoskrnl.def");
    let definitions = option("/DEF:", &definitions)?;
    let made = option("/OUT:", &library)?;
    shell::run(&linker, &["-flavor", "link", "/LIB", "/NOLOGO", "/MACHINE:X64", &definitions, &made], &[])?;
    let mut objects = Vec::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&sources)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    files.sort();
    for source in files {
        let name = source.file_name().context("a source without a name")?;
        let object = folder.join(name).with_extension("obj");
        shell::run(&clang, &compiler_arguments(&source, &object)?, &[])?;
        objects.push(option("", &object)?);
    }
    let driver = folder.join("edu.sys");
    let output = [option("/OUT:", &driver)?, option("/PDB:", &folder.join("edu.pdb"))?];
    let mut arguments = vec![
        "-flavor",
        "link",
        "/NOLOGO",
        "/DRIVER",
        "/SUBSYSTEM:NATIVE",
        "/ENTRY:DriverEntry",
        "/NODEFAULTLIB",
        "/MACHINE:X64",
        "/DEBUG",
        "/PDBALTPATH:%_PDB%",
        "/RELEASE",
        "/Brepro",
    ];
    arguments.extend(output.iter().chain(&objects).map(String::as_str));
    let library = option("", &library)?;
    arguments.push(&library);
    shell::run(&linker, &arguments, &[])?;
    Ok(driver)
}

/// Drivers have no C library.
fn compiler_arguments<'s>(source: &'s Path, object: &'s Path) -> Result<Vec<&'s str>> {
    let text = |path: &'s Path| path.to_str().context("a path is not UTF-8");
    let mut arguments =
        vec!["--target=x86_64-pc-windows-msvc", "-std=c11", "-ffreestanding", "-O2", "-g", "-gcodeview"];
    arguments.extend(["-Wall", "-Wextra", "-Werror", "-c", text(source)?, "-o", text(object)?]);
    Ok(arguments)
}

/// An option that ends with a path.
fn option(name: &str, path: &Path) -> Result<String> {
    Ok(format!("{name}{}", path.to_str().context("a path is not UTF-8")?))
}
