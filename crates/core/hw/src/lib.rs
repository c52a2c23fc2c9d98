//! dxgk-hw
