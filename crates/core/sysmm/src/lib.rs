//! dxgk-sysmm
