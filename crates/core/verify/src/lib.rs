//! dxgk-verify
