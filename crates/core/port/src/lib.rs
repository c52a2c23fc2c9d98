//! dxgk-port
