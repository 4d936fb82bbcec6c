//! pppd's hooks: the distribution's folder, and a hook that never reports.

use std::path::Path;

use nix::sys::signal::Signal;
use ringup::exit::Status;

use super::harness::{QUICK, code, in_lab};

#[test]
fn a_hook_in_the_distributions_ip_up_d_is_heard_and_a_silent_one_is_named() {
    in_lab(QUICK, async |lab| {
        let _restored = DistributionHooks::install();
        lab.start().await;
        let seq = lab.bring_home_online().await;
        assert_eq!(lab.record().await["seq"], serde_json::json!(seq));
        // Only the provider's end reports from here on.
        let deaf = "#!/bin/sh\ncase $4 in 203.0.113.1) exec \"$RINGUP\" ip-up \"$@\" ;; esac\n";
        std::fs::write(DistributionHooks::HOOK, deaf).unwrap();
        lab.world.signal("home", Signal::SIGTERM);
        assert_eq!(lab.world.ended("home").await.unwrap(), 0);
        let ran = lab.connect(&[]).await;
        assert_eq!(ran.status, code(Status::Missing), "{}", ran.errors);
        assert!(ran.errors.contains("hook never reported") && ran.errors.contains("hint: install"), "{}", ran.errors);
        assert_eq!(lab.traces("client").await, Vec::<String>::new());
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
