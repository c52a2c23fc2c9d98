//! The memory manager against a machine that only keeps books: no page table, no register.

mod accounts;
mod address_modes;
mod caching;
mod contiguous;
mod device_ranges;
mod domain;
mod hot_update;
mod late_switch;
mod machine;
mod mdl_flags;
mod mdl_maps;
mod object_kinds;
mod objects;
mod order;
mod page_arguments;
mod page_requests;
mod refusals;
mod registers;
mod save_areas;
mod sections;
mod user_views;
