//! Whether a device may be remapped, by what its INF wrote into the registry.
//!
//! Sources: "IOMMU DMA remapping" (DmaRemappingCompatible = 3 for graphics) and "Enabling DMA remapping for device drivers"
//! (all other values, and what took their place in Windows 11 24H2). The second says that graphics drivers have no support
//! for remapping at all, and that Windows 10 takes 3 for 2; the first is about graphics alone and dates 3 to Windows 10
//! 1803. Our choice is the first, because without it no graphics device could ever be remapped.

/// A Windows, as far as it reads the values differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Release {
    /// Before Windows 10 1803.
    Older,
    /// Windows 10 from 1803 on.
    Windows10,
    /// Windows 11 up to 23H2.
    Windows11,
    /// Windows 11 24H2 and later.
    Windows11From24H2,
}

/// The values. `None`: not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OptIn {
    /// `DmaRemappingCompatible` below the `Parameters` key of the driver's service.
    pub compatible: Option<u32>,
    /// `RemappingSupported` below `DMA Management` of the device's hardware key.
    pub supported: Option<u32>,
    /// `RemappingFlags` beside it.
    pub flags: Option<u32>,
}

/// Where the device is, and who watches it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Circumstances {
    /// It is plugged in from outside (Thunderbolt, say).
    pub external: bool,
    /// DMA verification, or Driver Verifier, watches the driver.
    pub verified: bool,
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Standing {
    /// The device may be remapped.
    In,
    /// It is not.
    Out,
    /// The values say nothing: the system decides. Here that is `--iommu` and the driver's claims (our choice).
    #[default]
    System,
}

impl OptIn {
    /// What the values mean to a Windows. A value that no page knows says nothing (our choice).
    ///
    /// From 24H2 on RemappingSupported decides where it is there; where it is not, DmaRemappingCompatible still counts as
    /// before (our choice: the page says that it is "for" earlier systems, and that it is ignored beside the new value).
    #[must_use]
    pub fn standing(&self, windows: Release, circumstances: Circumstances) -> Standing {
        let on_condition =
            if circumstances.external || circumstances.verified { Standing::In } else { Standing::Out };
        if windows >= Release::Windows11From24H2 {
            match (self.supported, self.flags) {
                (Some(1), None | Some(0)) => return Standing::In,
                (Some(1), Some(1)) => return on_condition,
                (Some(0), _) => return Standing::Out,
                (Some(_), _) => return Standing::System,
                (None, _) => {}
            }
        }
        match self.compatible {
            Some(0) => Standing::Out,
            Some(1) => Standing::In,
            Some(2) => on_condition,
            Some(3) if windows >= Release::Windows10 => Standing::In,
            _ => Standing::System,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: Circumstances = Circumstances { external: false, verified: false };
    const OUTSIDE: Circumstances = Circumstances { external: true, verified: false };
    const VERIFIED: Circumstances = Circumstances { external: false, verified: true };
    const BEFORE_24H2: [Release; 2] = [Release::Windows10, Release::Windows11];
    const NEW: Release = Release::Windows11From24H2;

    fn compatible(value: u32) -> OptIn {
        OptIn { compatible: Some(value), ..OptIn::default() }
    }

    fn supported(value: u32, flags: Option<u32>) -> OptIn {
        OptIn { supported: Some(value), flags, ..OptIn::default() }
    }

    /// Shows S-PCI-07, S-PCI-08, S-PCI-10.
    #[test]
    fn the_drivers_value_decides_up_to_23h2() {
        for windows in BEFORE_24H2 {
            for (value, inside, outside, verified) in [
                (0, Standing::Out, Standing::Out, Standing::Out),
                (1, Standing::In, Standing::In, Standing::In),
                (2, Standing::Out, Standing::In, Standing::In),
                (3, Standing::In, Standing::In, Standing::In),
                (4, Standing::System, Standing::System, Standing::System),
            ] {
                let both = OptIn { supported: Some(1 - value.min(1)), ..compatible(value) };
                for (circumstances, expected) in [(INSIDE, inside), (OUTSIDE, outside), (VERIFIED, verified)]
                {
                    assert_eq!(compatible(value).standing(windows, circumstances), expected, "{value}");
                    assert_eq!(both.standing(windows, circumstances), expected, "{value}, the later one");
                }
            }
        }
    }

    /// Shows S-PCI-11, S-PCI-12, S-RMP-51, S-RMP-53.
    #[test]
    fn three_opts_a_graphics_device_in_from_1803_on_and_says_nothing_before() {
        for windows in [Release::Windows10, Release::Windows11, NEW] {
            assert_eq!(compatible(3).standing(windows, INSIDE), Standing::In, "{windows:?}");
        }
        assert_eq!(compatible(3).standing(Release::Older, INSIDE), Standing::System);
    }

    /// Shows S-PCI-01, S-PCI-02, S-PCI-03.
    #[test]
    fn the_devices_value_decides_from_24h2_on_whatever_the_drivers_says() {
        for compatible in [None, Some(0), Some(1), Some(2), Some(3)] {
            let with = |value| OptIn { compatible, ..supported(value, None) };
            assert_eq!(with(1).standing(NEW, INSIDE), Standing::In, "{compatible:?}");
            assert_eq!(with(0).standing(NEW, OUTSIDE), Standing::Out, "{compatible:?}");
        }
    }

    /// Shows S-PCI-05, S-PCI-06.
    #[test]
    fn its_flags_set_conditions() {
        for (flags, inside) in [(None, Standing::In), (Some(0), Standing::In), (Some(1), Standing::Out)] {
            assert_eq!(supported(1, flags).standing(NEW, INSIDE), inside, "{flags:?}");
            assert_eq!(supported(1, flags).standing(NEW, OUTSIDE), Standing::In, "{flags:?}");
            assert_eq!(supported(1, flags).standing(NEW, VERIFIED), Standing::In, "{flags:?}");
            assert_eq!(supported(0, flags).standing(NEW, OUTSIDE), Standing::Out, "{flags:?}");
        }
    }

    /// Shows S-PCI-04, S-PCI-09.
    #[test]
    fn without_a_value_the_system_decides() {
        for windows in [Release::Older, Release::Windows10, Release::Windows11, NEW] {
            for circumstances in [INSIDE, OUTSIDE, VERIFIED] {
                assert_eq!(OptIn::default().standing(windows, circumstances), Standing::System);
            }
        }
    }
}
