//! Where pages of memory begin: what lies there, a file system can take from memory itself, past its cache.

/// As large as any disk wants it.
pub const PAGE_BYTES: usize = 4096;

/// Bytes to leave out until the next page begins; none at the beginning of one.
#[must_use]
pub fn to_next_page(at: *const u8) -> usize {
    at.addr().next_multiple_of(PAGE_BYTES) - at.addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_begin_where_nothing_is_left_out() {
        let bytes = [0; 2 * PAGE_BYTES];
        let first = to_next_page(bytes.as_ptr());
        let steps = [first, first + 1, first + PAGE_BYTES - 1].map(|at| to_next_page(bytes[at..].as_ptr()));
        assert_eq!(steps, [0, PAGE_BYTES - 1, 1]);
    }
}
