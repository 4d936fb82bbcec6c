//! What is kept of accounts, and what is not.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::directory::fixture::{Fixture, NOW, host};
use crate::scratch::Scratch;

/// Opens the accounts as a start of the directory does.
fn open(folder: &Scratch) -> Accounts {
    Accounts::open(&folder.path("directory.db"), Arc::new(Fixture::new().zone)).unwrap()
}

fn new_host(name: &str) -> NewHost {
    NewHost { host: name.to_owned(), identity: None, uncertified_lease: Some(60) }
}

fn new_credential(name: &str, kind: &str) -> NewCredential {
    NewCredential {
        name: name.to_owned(),
        kind: kind.to_owned(),
        hosts: vec!["cam.dyn.test".to_owned()],
        enrol_until: None,
    }
}

#[test]
fn accounts_hold_at_once_and_after_a_restart_and_tokens_are_not_on_the_disk() {
    let folder = Scratch::new("restart");
    let accounts = open(&folder);
    accounts.put_host(&new_host("cam.dyn.test"), NOW).unwrap();
    let token = accounts.add_credential(&new_credential("router", TOKEN), NOW).unwrap().secret;
    let tsig = accounts.add_credential(&new_credential("CAM.dyn.test", "hmac-sha256"), NOW).unwrap();
    assert_eq!(tsig.credential.name, "cam.dyn.test", "as the wire has it");
    let check = |accounts: &Accounts| {
        let roll = accounts.zone.roll();
        assert_eq!(roll.by_token(&hash(token.as_bytes())).unwrap().hosts, [host("cam.dyn.test")]);
        assert!(matches!(roll.credential("cam.dyn.test").unwrap().proof, Proof::Tsig(_)));
        assert_eq!(roll.hosting(&host("cam.dyn.test")).unwrap().uncertified_lease, 60);
    };
    check(&accounts);
    drop(accounts);
    check(&open(&folder));
    for file in std::fs::read_dir(folder.root()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "{}", path.display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

#[test]
fn a_rotated_secret_replaces_the_old_one_at_once() {
    let folder = Scratch::new("rotate");
    let accounts = open(&folder);
    accounts.put_host(&new_host("cam.dyn.test"), NOW).unwrap();
    let old = accounts.add_credential(&new_credential("router", TOKEN), NOW).unwrap().secret;
    let new = accounts.rotate("router", None, NOW).unwrap().secret;
    let known = |token: &str| accounts.zone.roll().by_token(&hash(token.as_bytes())).is_some();
    assert_eq!((known(&old), known(&new)), (false, true));
    accounts.remove_credential("router").unwrap();
    assert!(!known(&new));
    assert!(matches!(accounts.rotate("router", None, NOW), Err(AccountError::Unknown(_))));
}

#[test]
fn what_the_configuration_has_is_left_alone() {
    let folder = Scratch::new("configured");
    let accounts = open(&folder);
    assert!(matches!(accounts.remove_credential("home"), Err(AccountError::Configured(_))));
    assert!(matches!(accounts.remove_host(&host("home.dyn.test")), Err(AccountError::Configured(_))));
    let same = new_credential("home", TOKEN);
    assert!(matches!(accounts.add_credential(&same, NOW), Err(AccountError::Exists(_))));
    let listed = accounts.credentials().unwrap();
    assert!(listed.iter().any(|one| one.name == "home" && one.configured), "{listed:?}");
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let folder = Scratch::new("invalid");
    let accounts = open(&folder);
    for bad in [
        new_host("elsewhere.test"),
        new_host("_x.dyn.test"),
        NewHost { uncertified_lease: Some(0), ..new_host("cam.dyn.test") },
    ] {
        assert!(matches!(accounts.put_host(&bad, NOW), Err(AccountError::Invalid(_))), "{bad:?}");
    }
    assert!(matches!(accounts.add_credential(&new_credential("router", TOKEN), NOW), Err(AccountError::Unknown(_))));
    accounts.put_host(&new_host("cam.dyn.test"), NOW).unwrap();
    for (name, kind) in [("", TOKEN), ("a b", TOKEN), ("router", "hmac-md5"), ("router:x", TOKEN)] {
        assert!(matches!(accounts.add_credential(&new_credential(name, kind), NOW), Err(AccountError::Invalid(_))));
    }
    assert_eq!(accounts.credentials().unwrap().len(), 1, "only the configuration's");
    accounts.remove_host(&host("cam.dyn.test")).unwrap();
    assert!(matches!(accounts.remove_host(&host("cam.dyn.test")), Err(AccountError::Unknown(_))));
}

#[test]
fn what_is_left_out_of_a_change_stays_as_it_is() {
    let folder = Scratch::new("kept");
    let accounts = open(&folder);
    let identity = crate::record::Identity::generate().unwrap().public_key();
    accounts.put_host(&NewHost { identity: Some(identity.to_string()), ..new_host("cam.dyn.test") }, NOW).unwrap();
    let only = |field: &str| serde_json::from_str(&format!(r#"{{"host":"cam.dyn.test"{field}}}"#)).unwrap();
    let hosting = |accounts: &Accounts| {
        let roll = accounts.zone.roll();
        roll.hosting(&host("cam.dyn.test")).map(|hosting| (hosting.identity, hosting.uncertified_lease)).unwrap()
    };
    for (field, expected) in [
        ("", (Some(identity), 60)),
        (r#","uncertified-lease":90"#, (Some(identity), 90)),
        (r#","identity":"none""#, (None, 90)),
    ] {
        accounts.put_host(&only(field), NOW).unwrap();
        assert_eq!(hosting(&accounts), expected, "{field}");
    }
    drop(accounts);
    assert_eq!(hosting(&open(&folder)), (None, 90));
}

#[test]
fn no_two_credentials_have_one_name_whatever_its_case() {
    let folder = Scratch::new("names");
    let mut zone = Fixture::new().zone;
    let secret = Secret::new(b"AAAA".to_vec());
    let transfer = TsigKey::new("transfer", Algorithm::HmacSha256, &secret).unwrap();
    zone.secondary_keys.insert("transfer".to_owned(), transfer);
    let accounts = Accounts::open(&folder.path("directory.db"), Arc::new(zone)).unwrap();
    accounts.put_host(&new_host("cam.dyn.test"), NOW).unwrap();
    let configured = accounts.zone.credential("home").unwrap();
    let made = accounts.add_credential(&new_credential("Cam", "hmac-sha256"), NOW).unwrap();
    for name in ["HOME", "home.", "cam", "CAM.", "Transfer"] {
        for kind in ["hmac-sha256", TOKEN] {
            let refused = accounts.add_credential(&new_credential(name, kind), NOW);
            // A login's name may end in a point, and is another then.
            let is_other = kind == TOKEN && name.ends_with('.');
            assert!(is_other || matches!(refused, Err(AccountError::Exists(_))), "{name} {kind}");
        }
    }
    assert!(Arc::ptr_eq(&configured, &accounts.zone.credential("home").unwrap()), "the configured key is as it was");
    assert_eq!(made.credential.name, "cam");
    assert!(accounts.credentials().unwrap().iter().any(|one| one.name == "cam" && one.kind == "hmac-sha256"));
}

#[test]
fn a_new_secret_alone_does_not_make_the_time_for_enrolling_longer() {
    let folder = Scratch::new("enrolling");
    let accounts = open(&folder);
    accounts.put_host(&new_host("cam.dyn.test"), NOW).unwrap();
    let new = NewCredential { enrol_until: Some(NOW + 60), ..new_credential("cam", "hmac-sha256") };
    accounts.add_credential(&new, NOW).unwrap();
    accounts.rotate("cam", None, NOW + 1).unwrap();
    assert_eq!(accounts.zone.credential("cam").unwrap().enrol_until, Some(NOW + 60));
    accounts.rotate("cam", Some(NOW + 90), NOW + 2).unwrap();
    drop(accounts);
    assert_eq!(open(&folder).zone.credential("cam").unwrap().enrol_until, Some(NOW + 90));
}

#[test]
fn a_key_of_the_configuration_that_came_later_is_neither_replaced_nor_listed_as_ours() {
    let folder = Scratch::new("later");
    let accounts = open(&folder);
    accounts.put_host(&new_host("cam.dyn.test"), NOW).unwrap();
    accounts.add_credential(&new_credential("late", "hmac-sha256"), NOW).unwrap();
    drop(accounts);
    let zone = Fixture::new().zone;
    let mut later = Credential::clone(&zone.credential("home").unwrap());
    (later.name, later.below) = ("late".to_owned(), vec![host("site.dyn.test")]);
    zone.roll_mut().add_credential(later);
    let accounts = Accounts::open(&folder.path("directory.db"), Arc::new(zone)).unwrap();
    assert!(matches!(accounts.rotate("late", None, NOW), Err(AccountError::Configured(_))));
    let listed = accounts.credentials().unwrap();
    let late: Vec<_> = listed.iter().filter(|one| one.name == "late").collect();
    assert!(matches!(late.as_slice(), [one] if one.configured), "{late:?}");
    assert!(late[0].hosts.contains(&"*.site.dyn.test".to_owned()), "{late:?}");
}
