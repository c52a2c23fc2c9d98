//! dxgk-model
