//! What a scenario can do, step by step. Field names in a file are these with `-` for `_`.
//!
//! Every step works with `do` alone: every field has a default that makes the plainest sense.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::de::ValueDeserializer;

use crate::report::Outcome;

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:literal => $variant:ident($fields:ty),)*) => {
        /// A step: `do` says which, the other fields say how.
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "do")]
        pub(crate) enum Step {
            $($(#[$doc])* #[serde(rename = $name)] $variant($fields),)*
        }

        impl Step {
            /// What `do` can be.
            pub(crate) const VERBS: &[&str] = &[$($name),*];

            /// What `do` says.
            pub(crate) fn verb(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            /// The step of that name; nothing when there is none.
            pub(super) fn read(verb: &str, fields: ValueDeserializer<'_>) -> Option<Result<Self, toml::de::Error>> {
                match verb {
                    $($name => Some(<$fields>::deserialize(fields).map(Self::$variant)),)*
                    _ => None,
                }
            }
        }
    };
}

verbs! {
    /// StartDevice for each physical adapter, lead first, after the mode was chosen; again after a `stop`.
    "start" => Start(OfAdapter),
    /// StopDevice, the lead last.
    "stop" => Stop(OfAdapter),
    /// RemoveDevice, each physical adapter after the other; what still runs is stopped first. The end of a run removes what
    /// is left.
    "remove" => Remove(Remove),
    /// Work for the driver's video memory: segments, paging, submissions. A driver without segments has none.
    "work" => Work(Work),
    /// SetPowerState to a state and back to D0.
    "power" => Power(Power),
    /// A started adapter in passthrough is isolated: its domain is filled, and attached in exclusive access. It is stopped
    /// when that fails, unless IOMMUFlags has AllowFailure. Nothing for an adapter that is attached already.
    "attach" => Attach(OfAdapter),
    /// A secure virtual machine is created, for which every adapter has to be attached; it is not created when that fails.
    "secure-vm" => SecureVm(OfAdapter),
    /// The devices of an adapter vanish, in the middle of a transfer where the driver can be given work; then Plug and Play
    /// tells the driver, stops it and removes it.
    "surprise-remove" => SurpriseRemove(SurpriseRemove),
    /// The n-th allocation inside the memory manager fails from here on, once: low resources, as Driver Verifier simulates
    /// them. What comes next has to bear it.
    "pressure" => Pressure(Pressure),
    /// Lets time pass: the device, timers and the driver's threads go on.
    "wait" => Wait(Wait),
    /// The device makes a transfer that nobody asked it for.
    "dma" => Dma(Dma),
    /// What must have come about by now. With `do` alone: nothing was found so far, and the step before did what it was to
    /// do. What it says of `outcome` and of findings is, when no other step follows, about the whole run.
    "expect" => Expect(Expect),
}

/// A step of an adapter.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct OfAdapter {
    /// Which logical adapter, from 0; without it each, in order.
    pub(crate) adapter: Option<u32>,
}

/// Fields of `remove`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Remove {
    /// Which logical adapter, from 0; without it each, in order.
    pub(crate) adapter: Option<u32>,
    /// The places in the chain, from 0 for the lead, in the order in which they go; without it the lead goes last.
    pub(crate) order: Option<Vec<u32>>,
}

/// Fields of `surprise-remove`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct SurpriseRemove {
    /// Which logical adapter, from 0; without it each, in order.
    pub(crate) adapter: Option<u32>,
    /// The devices vanish at once, while nothing is transferred.
    pub(crate) idle: bool,
}

/// Fields of `work`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Work {
    /// Which logical adapter, from 0; without it each, in order.
    pub(crate) adapter: Option<u32>,
    /// Rounds, 1 to 100,000.
    pub(crate) rounds: u32,
}

impl Default for Work {
    fn default() -> Self {
        Self { adapter: None, rounds: 1 }
    }
}

/// Fields of `power`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Power {
    /// Which logical adapter, from 0; without it each, in order.
    pub(crate) adapter: Option<u32>,
    /// The state to go to.
    pub(crate) to: PowerState,
    /// Whether to come back to D0 in the same step.
    pub(crate) back: bool,
    /// How often, 1 to 100,000.
    pub(crate) times: u32,
}

impl Default for Power {
    fn default() -> Self {
        Self { adapter: None, to: PowerState::D3, back: true, times: 1 }
    }
}

/// A device power state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) enum PowerState {
    /// Working.
    #[serde(rename = "d0", alias = "D0")]
    D0,
    /// Light sleep.
    #[serde(rename = "d1", alias = "D1")]
    D1,
    /// Deeper sleep.
    #[serde(rename = "d2", alias = "D2")]
    D2,
    /// Off.
    #[serde(rename = "d3", alias = "D3")]
    D3,
}

/// Fields of `pressure`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Pressure {
    /// Which allocations count; without it all.
    pub(crate) kind: Option<Allocation>,
    /// Which one of them fails: 1 is the next.
    pub(crate) nth: u32,
}

impl Default for Pressure {
    fn default() -> Self {
        Self { kind: None, nth: 1 }
    }
}

/// What is allocated inside the memory manager.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Allocation {
    /// Pages of RAM for an object.
    Pages,
    /// A page for a translation table.
    TablePage,
    /// A handle.
    Handle,
    /// Logical addresses.
    LogicalRange,
    /// Something in the driver's address space: a view, a register window, an MDL, an ADL.
    View,
    /// A commit charge.
    Commit,
}

/// Fields of `wait`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Wait {
    /// Milliseconds of the machine's virtual time, 1 to 60,000.
    pub(crate) milliseconds: u32,
}

impl Default for Wait {
    fn default() -> Self {
        Self { milliseconds: 10 }
    }
}

/// Fields of `dma`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Dma {
    /// Which physical adapter, from 0 over all logical adapters.
    pub(crate) device: u32,
    /// The address that the device puts on the bus; 0 is never mapped for it.
    pub(crate) address: u64,
    /// Bytes, 1 to 65,536.
    pub(crate) bytes: u32,
    /// Whether the device writes memory instead of reading it.
    pub(crate) write: bool,
    /// The byte that it writes everywhere.
    pub(crate) fill: u8,
}

impl Default for Dma {
    fn default() -> Self {
        Self { device: 0, address: 0, bytes: 64, write: false, fill: 0xda }
    }
}

/// Fields of `expect`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Expect {
    /// What the run has come to, in the words of the report.
    pub(crate) outcome: Option<Outcome>,
    /// A rule that was broken, by its id (`dxgk rules`).
    pub(crate) finding: Option<String>,
    /// A rule that was not broken, by its id.
    pub(crate) no_finding: Option<String>,
    /// How the step before ended. A step that fails with no such expectation right after it ends the scenario.
    pub(crate) step: Option<StepEnd>,
    /// The mode that an adapter is in.
    pub(crate) mode: Option<ModeName>,
    /// Which logical adapter `mode` speaks of, from 0; without it each.
    pub(crate) adapter: Option<u32>,
    /// What RAM holds.
    pub(crate) memory: Option<MemoryContents>,
}

impl Expect {
    /// Whether it says nothing: then it means the plain things.
    pub(crate) fn is_bare(&self) -> bool {
        *self == Self::default()
    }
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StepEnd {
    /// It did what it was to do.
    Ok,
    /// It was refused or failed.
    Failed,
}

/// A mode, as `--iommu` names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ModeName {
    /// Device addresses are physical.
    Off,
    /// Device addresses equal physical ones; only mapped pages are reachable.
    Isolation,
    /// Device addresses are logical.
    Remapping,
}

/// Bytes at a physical address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct MemoryContents {
    /// Physical address of the first.
    pub(crate) address: u64,
    /// The bytes, two hexadecimal digits each; 1 to 4,096 of them.
    pub(crate) bytes: String,
}

impl MemoryContents {
    /// The bytes; nothing when the text is not what it should be.
    pub(crate) fn decoded(&self) -> Option<Vec<u8>> {
        let digits: Vec<u8> = self
            .bytes
            .chars()
            .filter(|digit| !digit.is_whitespace())
            .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let fits = rest.is_empty() && (1..=4096).contains(&pairs.len());
        fits.then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
    }
}

/// The most rounds, or times, of one step.
const MOST_TIMES: u32 = 100_000;
/// The longest wait of one step, in milliseconds.
const LONGEST_WAIT: u32 = 60_000;
/// The most bytes of one transfer of a device's own.
const MOST_BYTES: u32 = 65_536;

impl Step {
    /// What the types alone do not say: the field that is wrong, and what it may be.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let within = |field: &'static str, value: u32, most: u32| {
            if (1..=most).contains(&value) {
                Ok(())
            } else {
                Err((field, format!("{field} is {value}; accepted: 1 to {most}")))
            }
        };
        match self {
            Self::Work(work) => within("rounds", work.rounds, MOST_TIMES),
            Self::Power(power) => within("times", power.times, MOST_TIMES),
            Self::Pressure(pressure) => within("nth", pressure.nth, MOST_TIMES),
            Self::Wait(wait) => within("milliseconds", wait.milliseconds, LONGEST_WAIT),
            Self::Dma(dma) => within("bytes", dma.bytes, MOST_BYTES),
            Self::Expect(expect) => expect.check(),
            Self::Remove(Remove { order: Some(order), .. }) => {
                let mut places: Vec<u32> = order.clone();
                places.sort_unstable();
                let each_once = places.iter().copied().eq(0..places.len() as u32) && !places.is_empty();
                if each_once {
                    Ok(())
                } else {
                    Err((
                        "order",
                        format!("order is {order:?}; accepted: each place of the chain once, from 0"),
                    ))
                }
            }
            Self::Start(_)
            | Self::Stop(_)
            | Self::Remove(_)
            | Self::Attach(_)
            | Self::SecureVm(_)
            | Self::SurpriseRemove(_) => Ok(()),
        }
    }
}

impl Expect {
    fn check(&self) -> Result<(), (&'static str, String)> {
        let rule = |field: &'static str, id: &Option<String>| match id {
            Some(id) if !dxgk_verify::RULES.iter().any(|rule| rule.id == id) => {
                Err((field, format!("no rule is called {id:?}; `dxgk rules` lists them")))
            }
            _ => Ok(()),
        };
        rule("finding", &self.finding)?;
        rule("no-finding", &self.no_finding)?;
        match &self.memory {
            Some(memory) if memory.decoded().is_none() => Err((
                "memory",
                "bytes is no list of 1 to 4096 bytes; accepted: two hexadecimal digits a byte".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}
