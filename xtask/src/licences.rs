//! Every crate that is linked into the product has a licence that deny.toml allows.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, PackageId};
use serde::Deserialize;

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

pub(crate) fn check(metadata: &Metadata) -> Result<Vec<String>> {
    let path = metadata.workspace_root.join("deny.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let deny: Deny = toml::from_str(&text).context("deny.toml")?;
    let allowed: Vec<spdx::Licensee> = deny
        .licenses
        .allow
        .iter()
        .map(|name| {
            spdx::Licensee::parse(name).with_context(|| format!("deny.toml: {name} is no SPDX licence"))
        })
        .collect::<Result<_>>()?;
    let linked = linked(metadata)?;
    let mut broken = Vec::new();
    for package in metadata.packages.iter().filter(|package| linked.contains(&package.id)) {
        let Some(licence) = &package.license else {
            broken.push(format!("licences: {} names no licence", package.name));
            continue;
        };
        let expression = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX)
            .with_context(|| format!("{}: licence {licence:?}", package.name))?;
        if !expression.evaluate(|wanted| allowed.iter().any(|have| have.satisfies(wanted))) {
            broken.push(format!("licences: {} is {licence}, which deny.toml does not allow", package.name));
        }
    }
    Ok(broken)
}

/// Everything that the product reaches through dependencies that are not for tests only.
fn linked(metadata: &Metadata) -> Result<BTreeSet<PackageId>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata gave no dependency graph")?;
    let mut reached = BTreeSet::new();
    let mut open: Vec<PackageId> = metadata
        .workspace_packages()
        .iter()
        .filter(|p| p.name.as_str() != "xtask")
        .map(|p| p.id.clone())
        .collect();
    while let Some(id) = open.pop() {
        if !reached.insert(id.clone()) {
            continue;
        }
        let Some(node) = resolve.nodes.iter().find(|node| node.id == id) else { continue };
        open.extend(
            node.deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development))
                .map(|dep| dep.pkg.clone()),
        );
    }
    Ok(reached)
}
