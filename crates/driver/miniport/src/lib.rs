//! dxgk-miniport
