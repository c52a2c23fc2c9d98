//! The registry: a tree of keys with typed values, in memory.
//!
//! Names compare without regard to case. What the driver finds there is set up by the host before DriverEntry.

use std::collections::BTreeMap;

/// `REG_SZ`.
pub const REG_SZ: u32 = 1;
/// `REG_DWORD`.
pub const REG_DWORD: u32 = 4;

/// Where services have their keys.
pub const SERVICES: &str = r"\Registry\Machine\System\CurrentControlSet\Services";

/// A key. Keys are never deleted in a run, so the number stays good.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyId(usize);

/// A value: its name as it was set, its type (`REG_*`) and its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Value {
    /// Name.
    pub name: String,
    /// Type.
    pub kind: u32,
    /// Bytes, as the driver sees them.
    pub data: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Key {
    children: BTreeMap<String, KeyId>,
    values: BTreeMap<String, Value>,
}

/// The tree. See the module's page.
#[derive(Clone, Debug)]
pub struct Registry {
    keys: Vec<Key>,
}

impl Default for Registry {
    fn default() -> Self {
        let mut registry = Self { keys: vec![Key::default()] };
        registry.create(r"\Registry\Machine\System\CurrentControlSet\Services");
        registry
    }
}

fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// Text as `REG_SZ` bytes, terminator included.
#[must_use]
pub fn text_bytes(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

impl Registry {
    /// The root, above `\Registry`.
    pub const ROOT: KeyId = KeyId(0);

    /// The key at `path` below `from`; names are parted by backslashes.
    #[must_use]
    pub fn open(&self, from: KeyId, path: &str) -> Option<KeyId> {
        path.split('\\')
            .filter(|name| !name.is_empty())
            .try_fold(from, |key, name| self.keys.get(key.0)?.children.get(&fold(name)).copied())
    }

    /// Opens the key at the absolute `path`, making what is missing on the way.
    pub fn create(&mut self, path: &str) -> KeyId {
        self.create_below(Self::ROOT, path).0
    }

    /// Opens the key at `path` below `from`, making what is missing; whether anything was.
    pub fn create_below(&mut self, from: KeyId, path: &str) -> (KeyId, bool) {
        let mut at = from;
        let mut made = false;
        for name in path.split('\\').filter(|name| !name.is_empty()) {
            let next = KeyId(self.keys.len());
            let Some(key) = self.keys.get_mut(at.0) else { break };
            let found = *key.children.entry(fold(name)).or_insert(next);
            if found == next {
                self.keys.push(Key::default());
                made = true;
            }
            at = found;
        }
        (at, made)
    }

    /// Sets a value.
    pub fn set(&mut self, key: KeyId, name: &str, kind: u32, data: Vec<u8>) {
        if let Some(key) = self.keys.get_mut(key.0) {
            key.values.insert(fold(name), Value { name: name.to_owned(), kind, data });
        }
    }

    /// Sets a `REG_DWORD`.
    pub fn set_dword(&mut self, key: KeyId, name: &str, value: u32) {
        self.set(key, name, REG_DWORD, value.to_le_bytes().to_vec());
    }

    /// Sets a `REG_SZ`.
    pub fn set_text(&mut self, key: KeyId, name: &str, text: &str) {
        self.set(key, name, REG_SZ, text_bytes(text));
    }

    /// A value by name.
    #[must_use]
    pub fn value(&self, key: KeyId, name: &str) -> Option<&Value> {
        self.keys.get(key.0)?.values.get(&fold(name))
    }

    /// Deletes a value; whether it was there.
    pub fn delete(&mut self, key: KeyId, name: &str) -> bool {
        self.keys.get_mut(key.0).is_some_and(|key| key.values.remove(&fold(name)).is_some())
    }

    /// All values of a key, ordered by name.
    pub fn values(&self, key: KeyId) -> impl Iterator<Item = &Value> {
        self.keys.get(key.0).into_iter().flat_map(|key| key.values.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_found_in_any_case_and_nowhere_else() {
        let mut registry = Registry::default();
        let service = registry.create(&format!(r"{SERVICES}\edu"));
        registry.set_dword(service, "MemoryApi", 29);
        let (parameters, made) = registry.create_below(service, "Parameters");
        assert!(made);
        registry.set_text(parameters, "Name", "x");
        let found = registry.open(Registry::ROOT, r"\registry\MACHINE\system\currentcontrolset\SERVICES\Edu");
        assert_eq!(found, Some(service));
        assert_eq!(
            registry.value(service, "memoryapi").map(|value| value.data.clone()),
            Some(vec![29, 0, 0, 0])
        );
        assert_eq!(registry.open(service, "parameters"), Some(parameters));
        assert_eq!(registry.create_below(service, r"\PARAMETERS\"), (parameters, false));
        assert_eq!(
            registry.value(parameters, "NAME").map(|value| value.data.clone()),
            Some(vec![b'x', 0, 0, 0])
        );
        assert_eq!(registry.value(service, "Name"), None);
        assert_eq!(registry.open(service, "Parameters2"), None);
        assert!(registry.delete(parameters, "name"));
        assert!(!registry.delete(parameters, "name"));
    }
}
