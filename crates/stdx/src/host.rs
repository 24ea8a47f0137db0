//! The name of this host, as services call themselves when the configuration does not say otherwise.

/// The kernel's host name; `localhost` where it cannot be read.
#[must_use]
pub fn name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn has_one_line() {
        let name = super::name();
        assert!(!name.is_empty() && !name.contains('\n'));
    }
}
