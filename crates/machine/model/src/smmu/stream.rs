//! From requester to tables: stream table entries and context descriptors (manual 3.3, 5), and their caches.

use dxgk_hw::{MachineMemory, PhysAddr};
use dxgk_iopt::smmu::spec::{
    CD_BYTES, CdFirst, EventCode, GRANULES, L1StreamDescriptor, OUTPUT_BITS, STE_BYTES, SteFirst, SteThird,
    StreamConfig, StreamTableBase, StreamTableConfig, TableAddress,
};

use super::config::SmmuConfig;
use super::walk::{Space, Tables};

/// Two-level tables (STRTAB_BASE_CFG.FMT).
const TWO_LEVEL: u8 = 1;

/// A stream table entry that passed its checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stream {
    /// Aborted without a record.
    Abort,
    /// To the same physical address.
    Bypass,
    /// Through the context descriptor at this address.
    Stage1 { descriptor: u64, vmid: u16 },
    /// Through these tables.
    Stage2 { tables: Tables, recorded: bool },
}

/// A context descriptor that passed its checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Context {
    pub tables: Tables,
    pub recorded: bool,
}

/// Why there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bad {
    pub code: EventCode,
    /// Nothing is there, as opposed to something wrong.
    pub absent: bool,
    /// The structure's first word, 0 when it could not be read, and its address.
    pub entry: u64,
    pub entry_at: u64,
}

fn words<const COUNT: usize>(memory: &dyn MachineMemory, at: u64) -> Option<[u64; COUNT]> {
    let mut words = [0; COUNT];
    for (nth, word) in words.iter_mut().enumerate() {
        let mut bytes = [0; 8];
        memory.read(PhysAddr::new(at.checked_add(nth as u64 * 8)?), &mut bytes).ok()?;
        *word = u64::from_le_bytes(bytes);
    }
    Some(words)
}

/// The address of a stream's entry.
fn locate(
    memory: &dyn MachineMemory,
    base: StreamTableBase,
    config: StreamTableConfig,
    sid: u32,
) -> Result<u64, Bad> {
    let bad = |code, absent, entry, entry_at| Bad { code, absent, entry, entry_at };
    let table = base.addr() << 6;
    if config.log2size() < 32 && u64::from(sid) >> config.log2size() != 0 {
        return Err(bad(EventCode::C_BAD_STREAMID, true, 0, 0));
    }
    if config.fmt() != TWO_LEVEL {
        return Ok(table + u64::from(sid) * STE_BYTES);
    }
    let split = u32::from(config.split()).min(31);
    let at = table + u64::from(sid >> split) * 8;
    let [raw] = words::<1>(memory, at).ok_or_else(|| bad(EventCode::F_STE_FETCH, false, 0, at))?;
    let descriptor = L1StreamDescriptor::from_bits(raw);
    let within = u64::from(sid) & ((1 << split) - 1);
    let span = descriptor.span();
    if span == 0 || within >> (span - 1) != 0 {
        return Err(bad(EventCode::C_BAD_STREAMID, true, raw, at));
    }
    Ok((descriptor.l2ptr() << 6) + within * STE_BYTES)
}

/// Looks a stream up in memory.
pub(super) fn find(
    memory: &dyn MachineMemory,
    unit: &SmmuConfig,
    base: StreamTableBase,
    config: StreamTableConfig,
    sid: u32,
) -> Result<Stream, Bad> {
    let at = locate(memory, base, config, sid)?;
    let fetch = || Bad { code: EventCode::F_STE_FETCH, absent: false, entry: 0, entry_at: at };
    let [first, _, third, fourth] = words::<4>(memory, at).ok_or_else(fetch)?;
    let (entry, stage_2) = (SteFirst::from_bits(first), SteThird::from_bits(third));
    let bad = |absent| Bad { code: EventCode::C_BAD_STE, absent, entry: first, entry_at: at };
    if !entry.v() {
        return Err(bad(true));
    }
    match entry.config() {
        config if config.0 & 0b100 == 0 => Ok(Stream::Abort),
        StreamConfig::BYPASS => Ok(Stream::Bypass),
        // One context descriptor: the unit has no substreams.
        StreamConfig::STAGE_1 if unit.stage_1 && entry.s1cdmax() == 0 => {
            Ok(Stream::Stage1 { descriptor: entry.s1contextptr() << 6, vmid: stage_2.s2vmid() })
        }
        StreamConfig::STAGE_2 if unit.stage_2 => {
            let granule = GRANULES.get(usize::from(stage_2.s2tg())).copied().flatten();
            let output = OUTPUT_BITS.get(usize::from(stage_2.s2ps())).copied();
            let (Some(granule), Some(output)) = (granule, output) else { return Err(bad(false)) };
            let levels = u32::from(stage_2.s2sl0()) + if granule == 12 { 2 } else { 1 };
            let input = 64 - u32::from(stage_2.s2t0sz());
            let space = Space { vmid: stage_2.s2vmid(), asid: None };
            let root = TableAddress::from_bits(fourth).ttb() << 4;
            let output = output.min(unit.output_bits);
            let flags_fault = !stage_2.s2affd();
            let tables = Tables { space, root, granule, levels, input, output, flags_fault };
            // The root may be up to 16 tables in a row, and no more.
            let legal = stage_2.s2aa64()
                && !stage_2.s2endi()
                && !stage_2.s2s()
                && (16..=39).contains(&stage_2.s2t0sz())
                && levels <= 4
                && tables.root_index_bits().is_some_and(|bits| bits <= granule - 3 + 4)
                && input <= unit.output_bits.max(40);
            if legal { Ok(Stream::Stage2 { tables, recorded: stage_2.s2r() }) } else { Err(bad(false)) }
        }
        _ => Err(bad(false)),
    }
}

/// Reads a context descriptor.
pub(super) fn context(
    memory: &dyn MachineMemory,
    unit: &SmmuConfig,
    at: u64,
    vmid: u16,
) -> Result<Context, Bad> {
    const WORDS: usize = (CD_BYTES / 8) as usize;
    let fetch = || Bad { code: EventCode::F_CD_FETCH, absent: false, entry: 0, entry_at: at };
    let [first, second, ..] = words::<WORDS>(memory, at).ok_or_else(fetch)?;
    let descriptor = CdFirst::from_bits(first);
    let bad = |absent| Bad { code: EventCode::C_BAD_CD, absent, entry: first, entry_at: at };
    if !descriptor.v() {
        return Err(bad(true));
    }
    let granule = GRANULES.get(usize::from(descriptor.tg0())).copied().flatten();
    let output = OUTPUT_BITS.get(usize::from(descriptor.ips())).copied();
    let (Some(granule), Some(output)) = (granule, output) else { return Err(bad(false)) };
    let legal = descriptor.aa64()
        && !descriptor.endi()
        && !descriptor.epd0()
        && descriptor.httu() == 0
        && !descriptor.s()
        && (16..=39).contains(&descriptor.t0sz());
    if !legal {
        return Err(bad(false));
    }
    let input = 64 - u32::from(descriptor.t0sz());
    let mut levels = 1;
    while granule + levels * (granule - 3) < input {
        levels += 1;
    }
    let space = Space { vmid, asid: Some(descriptor.asid()) };
    let root = TableAddress::from_bits(second).ttb() << 4;
    let output = output.min(unit.output_bits);
    let flags_fault = !descriptor.affd();
    let tables = Tables { space, root, granule, levels, input, output, flags_fault };
    Ok(Context { tables, recorded: descriptor.r() })
}

/// A cache by stream: fully associative, round robin. Errors are not kept.
struct Cache<V> {
    lines: Vec<Option<(u32, V)>>,
    victim: usize,
}

impl<V: Copy> Cache<V> {
    fn new(entries: usize) -> Self {
        Self { lines: vec![None; entries], victim: 0 }
    }

    fn lookup(&self, sid: u32) -> Option<V> {
        self.lines.iter().flatten().find(|(of, _)| *of == sid).map(|(_, value)| *value)
    }

    fn insert(&mut self, sid: u32, value: V) {
        let place = self.lines.iter().position(Option::is_none).unwrap_or_else(|| {
            let way = self.victim;
            self.victim = (way + 1) % self.lines.len();
            way
        });
        if let Some(place) = self.lines.get_mut(place) {
            *place = Some((sid, value));
        }
    }

    fn forget(&mut self, first: u32, last: u32) {
        for line in &mut self.lines {
            line.take_if(|(sid, _)| (first..=last).contains(sid));
        }
    }
}

pub(super) struct StreamCaches {
    streams: Cache<Stream>,
    contexts: Cache<Context>,
}

impl StreamCaches {
    pub(super) fn new(entries: usize) -> Self {
        Self { streams: Cache::new(entries), contexts: Cache::new(entries) }
    }

    pub(super) fn stream(&self, sid: u32) -> Option<Stream> {
        self.streams.lookup(sid)
    }

    pub(super) fn insert_stream(&mut self, sid: u32, stream: Stream) {
        self.streams.insert(sid, stream);
    }

    pub(super) fn context(&self, sid: u32) -> Option<Context> {
        self.contexts.lookup(sid)
    }

    pub(super) fn insert_context(&mut self, sid: u32, context: Context) {
        self.contexts.insert(sid, context);
    }

    /// Entries and what was read through them (4.3.1).
    pub(super) fn forget_streams(&mut self, first: u32, last: u32) {
        self.streams.forget(first, last);
        self.contexts.forget(first, last);
    }

    pub(super) fn forget_contexts(&mut self, sid: u32) {
        self.contexts.forget(sid, sid);
    }
}
