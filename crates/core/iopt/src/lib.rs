//! dxgk-iopt
