//! pppd's hooks: the distribution's folder, and hooks that never report.

use std::path::Path;

use nix::sys::signal::Signal;

use super::harness::{QUICK, in_lab};

#[test]
fn a_hook_in_the_distributions_ip_up_d_is_heard_and_a_silent_one_holds_nobody_up() {
    in_lab(QUICK, async |lab| {
        let _restored = DistributionHooks::install();
        lab.start().await;
        let began = lab.moment();
        lab.bring_home_online().await;
        assert_eq!(lab.since(began, "provider", "up").await.text("peer"), "home");
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        // Neither end is told by a hook from here on: pppd's log tells both, but not who calls.
        std::fs::write(DistributionHooks::HOOK, "#!/bin/sh\n").unwrap();
        lab.start_home().await;
        let again = lab.moment();
        let seq = lab.bring_home_online().await;
        assert_eq!(lab.record().await["seq"], serde_json::json!(seq));
        assert!(lab.since(again, "provider", "up").await.fields["peer"].is_null());
    });
}

/// /etc/ppp as the distribution has it, with our hook where `make install` puts it; as it was when dropped.
struct DistributionHooks;

impl DistributionHooks {
    const HOOK: &str = "/etc/ppp/ip-up.d/ringup";

    fn install() -> Self {
        std::fs::create_dir("/etc/ppp/ip-up.d").unwrap();
        std::fs::rename("/etc/ppp/ip-up", Self::HOOK).unwrap();
        std::fs::copy("/etc/ppp/distribution/ip-up", "/etc/ppp/ip-up").unwrap();
        Self
    }
}

impl Drop for DistributionHooks {
    fn drop(&mut self) {
        let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("ppp-scripts/ip-up");
        std::fs::remove_dir_all("/etc/ppp/ip-up.d").unwrap();
        std::fs::copy(hook, "/etc/ppp/ip-up").unwrap();
    }
}
