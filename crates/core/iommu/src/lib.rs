//! dxgk-iommu
