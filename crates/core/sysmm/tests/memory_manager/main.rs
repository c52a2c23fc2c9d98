//! The memory manager against a machine that only keeps books: no page table, no register.

mod accounts;
mod late_switch;
mod machine;
mod mdl_maps;
mod objects;
mod order;
mod page_requests;
mod refusals;
mod registers;
