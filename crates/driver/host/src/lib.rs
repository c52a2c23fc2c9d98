//! dxgk-host
