//! dxgk-qemu
