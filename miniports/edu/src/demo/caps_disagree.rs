//! MODE-002: the capabilities that are asked for after the start say something else than those before it.

use dxgk_miniport::abi::caps::VidMmCapsFlags;

/// What `DXGK_VIDMMCAPS` says, made wrong; the twin leaves it as it is.
pub(super) fn change(caps: VidMmCapsFlags) -> VidMmCapsFlags {
    caps - VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED
}
