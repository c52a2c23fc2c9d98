//! edu sample
