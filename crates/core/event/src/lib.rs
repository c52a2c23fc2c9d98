//! dxgk-event
