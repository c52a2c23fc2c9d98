//! dxgk-abi
