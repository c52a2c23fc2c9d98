//! What time it is: virtual time, in the forms that drivers ask for.
//!
//! Documents: the wdm.h pages of KeQueryTimeIncrement, KeQueryInterruptTime, KeQuerySystemTimePrecise,
//! KeQueryPerformanceCounter, RtlTimeToTimeFields.

use dxgk_abi::kernel::TimeFields;

use super::memory;
use super::state::Kernel;
use super::trouble::Outcome;

/// System time at which every run begins, in 100 ns since 1601: 2020-01-01 00:00 UTC (our choice; the same in every run).
pub const SYSTEM_TIME_AT_START: u64 = 132_223_104_000_000_000;
/// 100 ns in a clock tick: 64 a second, as Windows without a request for more.
const TICK: u32 = 156_250;
/// 100 ns units in a second, minute, hour and day.
const SECOND: u64 = 10_000_000;
const DAY: u64 = 86_400 * SECOND;
/// Days from 1601-01-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 134_774;

impl Kernel {
    /// System time in 100 ns since 1601 (UTC; the time zone is UTC too).
    #[must_use]
    pub fn system_time(&self) -> u64 {
        SYSTEM_TIME_AT_START.saturating_add(self.now())
    }
}

/// KeQueryPerformanceCounter: virtual time, 10 MHz.
pub(crate) fn performance_counter(kernel: &Kernel, frequency: u64) -> Outcome<u64> {
    if frequency != 0 {
        memory::write(frequency, &SECOND)?;
    }
    Ok(kernel.now())
}

/// KeQueryTimeIncrement.
pub(crate) fn increment(_kernel: &Kernel) -> Outcome<u32> {
    Ok(TICK)
}

/// KeQueryInterruptTime, KeQueryUnbiasedInterruptTime.
pub(crate) fn interrupt_time(kernel: &Kernel) -> Outcome<u64> {
    Ok(kernel.now())
}

/// KeQueryInterruptTimePrecise.
pub(crate) fn interrupt_time_precise(kernel: &Kernel, counter: u64) -> Outcome<u64> {
    memory::write(counter, &kernel.now())?;
    Ok(kernel.now())
}

/// KeQuerySystemTimePrecise, and KeQuerySystemTime where it is not inline.
pub(crate) fn system_time(kernel: &Kernel, out: u64) -> Outcome<()> {
    memory::write(out, &kernel.system_time())
}

/// KeQueryTickCount where it is not inline.
pub(crate) fn tick_count(kernel: &Kernel, out: u64) -> Outcome<()> {
    memory::write(out, &(kernel.now() / u64::from(TICK)))
}

/// ExSystemTimeToLocalTime, ExLocalTimeToSystemTime: the time zone is UTC.
pub(crate) fn same_time(_kernel: &Kernel, from: u64, to: u64) -> Outcome<()> {
    let time: u64 = memory::read(from)?;
    memory::write(to, &time)
}

/// RtlTimeToTimeFields.
pub(crate) fn to_fields(_kernel: &Kernel, time: u64, out: u64) -> Outcome<()> {
    let time: u64 = memory::read(time)?;
    memory::write(out, &fields(time))
}

/// The calendar date of a time, by the usual arithmetic of 400-year cycles that begin in March.
fn fields(time: u64) -> TimeFields {
    let days = (time / DAY) as i64;
    let in_day = time % DAY;
    // Days since 0000-03-01.
    let shifted = days - DAYS_TO_1970 + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    TimeFields {
        year: year as i16,
        month: month as i16,
        day: day as i16,
        hour: (in_day / (3600 * SECOND)) as i16,
        minute: (in_day / (60 * SECOND) % 60) as i16,
        second: (in_day / SECOND % 60) as i16,
        milliseconds: (in_day / 10_000 % 1000) as i16,
        // 1601-01-01 was a Monday.
        weekday: ((days + 1) % 7) as i16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_calendar_dates() {
        let rows = [
            (0, [1601, 1, 1, 0, 0, 0, 0, 1]),
            (SYSTEM_TIME_AT_START, [2020, 1, 1, 0, 0, 0, 0, 3]),
            (116_444_736_000_000_000, [1970, 1, 1, 0, 0, 0, 0, 4]),
            (
                SYSTEM_TIME_AT_START + 59 * DAY + 86_399 * SECOND + 9_990_000,
                [2020, 2, 29, 23, 59, 59, 999, 6],
            ),
            (SYSTEM_TIME_AT_START + 60 * DAY, [2020, 3, 1, 0, 0, 0, 0, 0]),
        ];
        for (time, expected) in rows {
            let at = fields(time);
            let found =
                [at.year, at.month, at.day, at.hour, at.minute, at.second, at.milliseconds, at.weekday];
            assert_eq!(found, expected, "{time}");
        }
    }
}
