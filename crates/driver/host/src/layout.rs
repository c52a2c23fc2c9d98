//! Where things lie in the process, and the reservations behind them.
//!
//! Drivers tell kernel addresses from user addresses by comparing with `MmHighestUserAddress`, and their pointers appear in
//! events, so the address space is laid out by fixed regions (our choice; Windows has its own above 0xFFFF_8000_0000_0000,
//! where Linux can map nothing): everything that plays a kernel address lies above [`HIGHEST_USER_ADDRESS`], everything that
//! plays a user address below. Fixed addresses also make two runs print the same pointers.
//!
//! A region hands out addresses upwards and takes a released range back only after every other one has been used: until
//! then the range stays reserved and unreadable, so that a use after release faults and can be attributed.
#![expect(unsafe_code, reason = "reserves and maps pages at chosen addresses")]

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard};

/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;
/// `MmHighestUserAddress` as drivers see it: addresses above it count as the kernel's.
pub const HIGHEST_USER_ADDRESS: u64 = 0x3FFF_FFFE_FFFF;
/// `MmUserProbeAddress` as drivers see it: the first address that a user buffer must not reach.
pub const USER_PROBE_ADDRESS: u64 = 0x3FFF_FFFF_0000;

/// What a region is for; fixes where it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Views that play a process's user addresses.
    UserViews,
    /// Windows onto device registers at user addresses.
    UserRegisters,
    /// Kernel views of physical pages.
    Views,
    /// Pool and kernel objects.
    Pool,
    /// Driver images.
    Images,
    /// Driver stacks and processor blocks.
    Stacks,
    /// Windows onto device registers: never readable, every access traps.
    Registers,
}

impl Purpose {
    /// First address and first address after the region.
    pub const fn bounds(self) -> (u64, u64) {
        match self {
            Self::UserViews => (0x2000_0000_0000, 0x2800_0000_0000),
            Self::UserRegisters => (0x2800_0000_0000, 0x2810_0000_0000),
            Self::Views => (0x4000_0000_0000, 0x4800_0000_0000),
            Self::Pool => (0x5000_0000_0000, 0x5400_0000_0000),
            Self::Images => (0x6000_0000_0000, 0x6010_0000_0000),
            Self::Stacks => (0x6800_0000_0000, 0x6810_0000_0000),
            // Libraries of this process lie at the very top and wander down by at most 16 TiB.
            Self::Registers => (0x7000_0000_0000, 0x7010_0000_0000),
        }
    }
}

/// Why a reservation or a mapping failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The size was zero or not representable.
    #[error("a reservation of {0:#x} bytes is not possible")]
    Size(u64),
    /// Every address of the region is in use.
    #[error("the region for {0:?} has no room for {1:#x} bytes")]
    Exhausted(Purpose, u64),
    /// The system refused; a limit of this host (65,530 mappings a process), never the driver's mistake.
    #[error("the host system refused to map {bytes:#x} bytes at {address:#x}: errno {errno}")]
    System {
        /// First address.
        address: u64,
        /// Bytes.
        bytes: u64,
        /// The system's error number.
        errno: i32,
    },
    /// The part asked for lies outside the reservation or is not made of whole pages.
    #[error("{bytes:#x} bytes at {address:#x} are not whole pages of this reservation")]
    Outside {
        /// First address.
        address: u64,
        /// Bytes.
        bytes: u64,
    },
}

/// What a page lets its users do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// Nothing: every access faults.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and execution; not possible once the process is sealed.
    ReadExecute,
}

impl Protection {
    fn bits(self) -> i32 {
        match self {
            Self::None => libc::PROT_NONE,
            Self::Read => libc::PROT_READ,
            Self::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            Self::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
        }
    }
}

static RUN: Mutex<()> = Mutex::new(());

/// Held by the one run that a process can have at a time: the fixed addresses exist once.
#[derive(Debug)]
pub struct RunGuard(#[expect(dead_code, reason = "held for its drop")] MutexGuard<'static, ()>);

impl RunGuard {
    /// Waits until no other run of this process is under way.
    pub fn acquire() -> Self {
        Self(RUN.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// A range of addresses that is nobody else's. Not unmapped on drop: give it back with [`Region::release`], or drop the region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reservation {
    address: u64,
    bytes: u64,
}

impl Reservation {
    /// First address, a multiple of [`PAGE_SIZE`].
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// Bytes, a multiple of [`PAGE_SIZE`].
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether `address` lies inside.
    pub const fn contains(&self, address: u64) -> bool {
        address >= self.address && address - self.address < self.bytes
    }

    fn part(&self, offset: u64, bytes: u64) -> Result<u64, LayoutError> {
        let address = self.address.wrapping_add(offset);
        let whole = offset.is_multiple_of(PAGE_SIZE) && bytes.is_multiple_of(PAGE_SIZE) && bytes != 0;
        if !whole || offset > self.bytes || bytes > self.bytes - offset {
            return Err(LayoutError::Outside { address, bytes });
        }
        Ok(address)
    }

    /// Puts zeroed private pages under the part at `offset`.
    pub fn commit(&self, offset: u64, bytes: u64, protection: Protection) -> Result<(), LayoutError> {
        let address = self.part(offset, bytes)?;
        map(
            address,
            bytes,
            protection.bits(),
            libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    }

    /// Puts `bytes` of the file from `file_offset` under the part at `offset`, shared. The file must be sealed against shrinking.
    pub fn map_file(
        &self,
        offset: u64,
        bytes: u64,
        file: BorrowedFd<'_>,
        file_offset: u64,
        protection: Protection,
    ) -> Result<(), LayoutError> {
        let address = self.part(offset, bytes)?;
        map(
            address,
            bytes,
            protection.bits(),
            libc::MAP_FIXED | libc::MAP_SHARED,
            file.as_raw_fd(),
            file_offset,
        )
    }

    /// Changes what the pages of the part at `offset` permit.
    pub fn protect(&self, offset: u64, bytes: u64, protection: Protection) -> Result<(), LayoutError> {
        let address = self.part(offset, bytes)?;
        // SAFETY: mprotect needs a range that belongs to us; `part` checked that it lies inside this reservation.
        let result =
            unsafe { libc::mprotect(address as *mut libc::c_void, bytes as usize, protection.bits()) };
        if result == 0 { Ok(()) } else { Err(refused(address, bytes)) }
    }

    /// Takes the pages of the part at `offset` away; the addresses stay reserved and unreadable.
    pub fn decommit(&self, offset: u64, bytes: u64) -> Result<(), LayoutError> {
        let address = self.part(offset, bytes)?;
        let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        map(address, bytes, libc::PROT_NONE, flags, -1, 0)
    }
}

/// Changes what one page of some reservation permits; for guards, which know an address only.
pub(crate) fn protect_page(page: u64, protection: Protection) -> Result<(), LayoutError> {
    Reservation { address: page & !(PAGE_SIZE - 1), bytes: PAGE_SIZE }.protect(0, PAGE_SIZE, protection)
}

fn refused(address: u64, bytes: u64) -> LayoutError {
    LayoutError::System { address, bytes, errno: std::io::Error::last_os_error().raw_os_error().unwrap_or(0) }
}

fn map(
    address: u64,
    bytes: u64,
    protection: i32,
    flags: i32,
    fd: i32,
    offset: u64,
) -> Result<(), LayoutError> {
    let file_offset = i64::try_from(offset).map_err(|_| LayoutError::Size(offset))?;
    // SAFETY: callers pass a range of their own reservation with MAP_FIXED, or MAP_FIXED_NOREPLACE, which replaces nothing.
    let at = unsafe {
        libc::mmap(address as *mut libc::c_void, bytes as usize, protection, flags, fd, file_offset)
    };
    if at == libc::MAP_FAILED {
        return Err(refused(address, bytes));
    }
    if at as u64 != address {
        // A kernel before 4.17 takes MAP_FIXED_NOREPLACE as a hint.
        unmap(at as u64, bytes);
        return Err(LayoutError::System { address, bytes, errno: libc::EEXIST });
    }
    Ok(())
}

fn unmap(address: u64, bytes: u64) {
    // SAFETY: callers pass a range that they mapped and that nothing refers to any more.
    unsafe { libc::munmap(address as *mut libc::c_void, bytes as usize) };
}

/// An allocator of addresses of one [`Purpose`]. Dropping it unmaps everything it ever handed out.
#[derive(Debug)]
pub struct Region {
    purpose: Purpose,
    next: u64,
    end: u64,
    /// Every range this region holds, by first address: its bytes, and whether it is handed out.
    held: BTreeMap<u64, (u64, bool)>,
    /// Released ranges, oldest first.
    quarantine: VecDeque<Reservation>,
}

impl Region {
    /// The region of that purpose for one run. The guard shows that no other run uses the same addresses.
    pub fn new(purpose: Purpose, _run: &RunGuard) -> Self {
        let (next, end) = purpose.bounds();
        Self { purpose, next, end, held: BTreeMap::new(), quarantine: VecDeque::new() }
    }

    /// What the region is for.
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Reserves `bytes` (rounded up to pages) at a multiple of `alignment` (a power of two, at least a page is taken), unreadable,
    /// with an unreadable page after it that belongs to nobody.
    pub fn reserve(&mut self, bytes: u64, alignment: u64) -> Result<Reservation, LayoutError> {
        let size = bytes.checked_next_multiple_of(PAGE_SIZE).filter(|&size| size != 0 && size < 1 << 46);
        let size = size.ok_or(LayoutError::Size(bytes))?;
        let alignment = alignment.max(PAGE_SIZE);
        if !alignment.is_power_of_two() {
            return Err(LayoutError::Size(alignment));
        }
        loop {
            let at =
                self.next.checked_next_multiple_of(alignment).filter(|at| at + size + PAGE_SIZE <= self.end);
            let Some(at) = at else { return self.reuse(size, alignment) };
            // The page after the range stays outside the reservation, and so unmapped.
            self.next = at + size + PAGE_SIZE;
            let flags =
                libc::MAP_FIXED_NOREPLACE | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            match map(at, size, libc::PROT_NONE, flags, -1, 0) {
                Ok(()) => {
                    let reservation = Reservation { address: at, bytes: size };
                    self.held.insert(at, (size, true));
                    return Ok(reservation);
                }
                // Something of this process lies there (a library, when address randomisation is wide): go past it.
                Err(LayoutError::System { errno: libc::EEXIST, .. }) => self.next = at + (64 << 20).max(size),
                Err(error) => return Err(error),
            }
        }
    }

    /// Leaves everything mapped when the region is dropped.
    pub(crate) fn keep_mapped(&mut self) {
        self.held.clear();
    }

    fn reuse(&mut self, size: u64, alignment: u64) -> Result<Reservation, LayoutError> {
        let fits = |range: &Reservation| range.bytes == size && range.address.is_multiple_of(alignment);
        let index =
            self.quarantine.iter().position(fits).ok_or(LayoutError::Exhausted(self.purpose, size))?;
        let range = self.quarantine.remove(index).ok_or(LayoutError::Exhausted(self.purpose, size))?;
        self.held.insert(range.address, (range.bytes, true));
        Ok(range)
    }

    /// Takes a range back: its pages go, its addresses stay reserved and unreadable for as long as others are left.
    pub fn release(&mut self, reservation: Reservation) -> Result<(), LayoutError> {
        if self.held.get(&reservation.address) != Some(&(reservation.bytes, true)) {
            return Err(LayoutError::Outside { address: reservation.address, bytes: reservation.bytes });
        }
        reservation.decommit(0, reservation.bytes)?;
        self.held.insert(reservation.address, (reservation.bytes, false));
        self.quarantine.push_back(reservation);
        Ok(())
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        for (address, (bytes, _)) in std::mem::take(&mut self.held) {
            unmap(address, bytes);
        }
    }
}
