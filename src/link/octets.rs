//! What has passed on an interface, as the kernel counts it.

use std::path::Path;

/// Octets received and sent on an interface since it came; `None` when there is none of that name.
#[must_use]
pub fn octets(interface: &str) -> Option<(u64, u64)> {
    let folder = Path::new("/sys/class/net").join(interface).join("statistics");
    let count = |file: &str| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok();
    Some((count("rx_bytes")?, count("tx_bytes")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_has_passed_nothing() {
        assert_eq!(octets("no-such-interface"), None);
        assert!(octets("lo").is_some());
    }
}
