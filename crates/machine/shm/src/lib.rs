//! dxgk-shm
