//! The directory over HTTP: the program itself, asked by curl, by ddclient and inadyn from Debian, and by its own commands.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests; clippy exempts only the tests themselves"
)]

mod support;

use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;

use ringup::dns::WallClock;
use ringup::record::{HostName, Identity, Record, Seq, SignedRecord, State};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use self::support::http::{ADMINISTRATOR, Directory, curl, secret_in};
use self::support::{BOUND, Scratch, run};

fn signed(identity: &Identity, seq: u64, address: Option<&str>) -> String {
    let (host, seq) = ("home.dyn.test".parse::<HostName>().unwrap(), Seq::new(seq).unwrap());
    let now = WallClock::system().now();
    let record = match address {
        Some(address) => Record::online(host, vec![address.parse().unwrap()], seq, now, 600),
        None => Record::asleep(host, seq, now, 600),
    };
    SignedRecord::sign(record.unwrap(), identity).to_string()
}

fn soon() -> Instant {
    Instant::now() + BOUND
}

#[tokio::test]
async fn a_router_registers_and_its_record_is_shown_as_uncertified_everywhere() {
    let directory = Directory::start().await;
    let password = directory.login("router", &["cam.dyn.test", "nas.dyn.test"]).await;
    assert_eq!(password.len(), 32);
    let login = format!("router:{password}");
    let update = async |query: &str| directory.curl(&format!("/nic/update?{query}"), &["--user", &login]).await;

    let first = update("hostname=cam.dyn.test&myip=203.0.113.9,2001:db8::9").await;
    assert_eq!((first.status, first.body.as_str()), (200, "good 203.0.113.9,2001:db8::9\n"));
    assert!(first.headers.contains(&format!("content-length: {}", first.body.len())), "{}", first.headers);
    assert_eq!(update("hostname=cam.dyn.test&myip=203.0.113.9").await.body, "nochg 203.0.113.9\n");
    let three = update("hostname=nas.dyn.test,home.dyn.test,cam.dyn.test,nas&myip=203.0.113.10").await;
    assert_eq!(three.body, "good 203.0.113.10\nnohost\ngood 203.0.113.10\nnotfqdn\n");
    assert_eq!(
        directory.addresses("cam.dyn.test").await,
        ["203.0.113.10", "2001:db8::9"].map(|a| a.parse::<IpAddr>().unwrap())
    );

    let by_dns = directory.resolver().query(&"cam.dyn.test".parse().unwrap(), soon()).await.unwrap();
    assert!(by_dns.host_exists && by_dns.record.is_none(), "{by_dns:?}");
    let shown = directory.administer(&["host", "show", "cam.dyn.test"]).await;
    assert!(shown.contains("cam.dyn.test is online, uncertified"), "{shown}");
    let client = directory.folder.write("client.toml", &format!("directory-servers = [\"{}\"]\n", directory.dns));
    let asked = run(directory.folder.root(), &["query", "cam.dyn.test", "--config", client.to_str().unwrap()]).await;
    assert!(asked.stdout.contains("uncertified") && asked.stdout.contains("203.0.113.10"), "{}", asked.stdout);

    assert_eq!(update("hostname=cam.dyn.test&offline=YES").await.body, "good\n");
    assert!(directory.addresses("cam.dyn.test").await.is_empty());
    let history = directory.administer(&["host", "history", "cam.dyn.test", "--json"]).await;
    let history: Value = serde_json::from_str(&history).unwrap();
    let states: Vec<&str> = history.as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["asleep", "online", "online"], "a renewal is no news");
    assert!(history.as_array().unwrap().iter().all(|one| one["by"] == "router" && one["certified"] == false));
}

#[tokio::test]
async fn the_words_of_dyndns2_are_those_that_real_clients_need() {
    let directory = Directory::start().await;
    let password = directory.login("router", &["cam.dyn.test"]).await;
    let login = format!("cam.dyn.test:{password}");
    let bare = directory.curl("/nic/update?hostname=cam.dyn.test", &[]).await;
    assert_eq!((bare.status, bare.body.as_str()), (401, "badauth\n"));
    assert!(bare.headers.contains("www-authenticate: basic realm="), "{}", bare.headers);
    // HTTP/1.0, as inadyn speaks it; the client's own address, which is nobody else's way to it; the old path; a form.
    let old = directory.curl("/v3/update?hostname=cam.dyn.test", &["--http1.0", "--user", &login]).await;
    assert_eq!((old.status, old.body.as_str()), (200, "dnserr\n"));
    assert!(old.headers.contains("content-length:") && !old.headers.contains("transfer-encoding"), "{}", old.headers);
    let head =
        directory.curl("/nic/update?hostname=cam.dyn.test&myip=203.0.113.66", &["--head", "--user", &login]).await;
    assert_eq!((head.status, directory.addresses("cam.dyn.test").await), (405, vec![]), "HEAD changes nothing");
    let form = ["--user", &login, "--data", "hostname=cam.dyn.test&myip=203.0.113.9"];
    assert_eq!(directory.curl("/nic/update", &form).await.body, "good 203.0.113.9\n");
    for (query, word) in [
        ("", "notfqdn\n"),
        (&format!("hostname={}", ["cam.dyn.test"; 21].join(",")), "numhost\n"),
        ("hostname=cam.dyn.test&myip=nonsense", "dnserr\n"),
        ("hostname=absent.dyn.test&myip=203.0.113.9", "nohost\n"),
        ("hostname=home.dyn.test&myip=203.0.113.9", "nohost\n"),
    ] {
        let answer = directory.curl(&format!("/nic/update?{query}"), &["--user", &login]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, word), "{query}");
    }
    // Ever more wrong passwords: never 429, and the right one still passes.
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let answer = directory.curl("/nic/update?hostname=cam.dyn.test", &["--user", "router:wrong"]).await;
        statuses.push((answer.status, answer.body));
    }
    assert_eq!(statuses.first().unwrap(), &(401, "badauth\n".to_owned()));
    assert_eq!(statuses.last().unwrap(), &(503, "911\n".to_owned()));
    let right = directory.curl("/nic/update?hostname=cam.dyn.test&myip=203.0.113.9", &["--user", &login]).await;
    assert_eq!(right.body, "nochg 203.0.113.9\n");
}

#[tokio::test]
async fn ddclient_from_debian_keeps_two_hosts() {
    let directory = Directory::start().await;
    let password = directory.login("router", &["cam.dyn.test", "nas.dyn.test"]).await;
    let client = async |address: &str| {
        let config = format!(
            "daemon=0\nssl=no\nuse=ip, ip={address}\nprotocol=dyndns2\nserver={}\nlogin=router\npassword='{password}'\n\
             cam.dyn.test,nas.dyn.test\n",
            directory.http
        );
        let path = directory.folder.path("ddclient.conf");
        std::fs::write(&path, config).unwrap();
        let mut permissions = std::fs::metadata(&path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
        std::fs::set_permissions(&path, permissions).unwrap();
        let cache = directory.folder.path("ddclient.cache");
        let pid = directory.folder.path("ddclient.pid");
        let arguments = [
            "-daemon=0",
            "-force",
            "-verbose",
            "-file",
            path.to_str().unwrap(),
            "-cache",
            cache.to_str().unwrap(),
            "-pid",
            pid.to_str().unwrap(),
        ];
        other_house("ddclient", &arguments).await
    };
    let said = client("203.0.113.9").await;
    assert_eq!(said.matches("SUCCESS").count(), 2, "{said}");
    let expected: Vec<IpAddr> = vec!["203.0.113.9".parse().unwrap()];
    for host in ["cam.dyn.test", "nas.dyn.test"] {
        assert_eq!(directory.addresses(host).await, expected, "{said}");
    }
    client("203.0.113.10").await;
    assert_eq!(directory.addresses("nas.dyn.test").await, ["203.0.113.10".parse::<IpAddr>().unwrap()]);
}

#[tokio::test]
async fn inadyn_from_debian_keeps_a_host() {
    let directory = Directory::start().await;
    let password = directory.login("router", &["cam.dyn.test"]).await;
    let config = directory.folder.secret(
        "inadyn.conf",
        &format!(
            "allow-ipv6 = false\ncustom test {{\n username = router\n password = {password}\n ssl = false\n\
             ddns-server = {}\n ddns-path = \"/nic/update?hostname=%h&myip=%i\"\n hostname = cam.dyn.test\n\
             checkip-command = \"echo 203.0.113.9\"\n}}\n",
            directory.http
        ),
    );
    let cache = directory.folder.path("cache");
    std::fs::create_dir(&cache).unwrap();
    let arguments = [
        "--once",
        "--foreground",
        "--force",
        "--loglevel=debug",
        "--config",
        config.to_str().unwrap(),
        "--cache-dir",
        cache.to_str().unwrap(),
        "--no-pidfile",
    ];
    let said = other_house("inadyn", &arguments).await;
    assert_eq!(directory.addresses("cam.dyn.test").await, ["203.0.113.9".parse::<IpAddr>().unwrap()], "{said}");
}

/// Runs a program of another house to its end, and gives what it said.
async fn other_house(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    command.args(arguments).env("PATH", path).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(BOUND, command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: packaging/install-packages tests"));
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn a_statement_is_registered_as_text_or_json_under_the_rules_of_an_update() {
    let directory = Directory::start().await;
    let token = directory.login("home-token", &["home.dyn.test"]).await;
    let bearer = format!("Authorization: Bearer {token}");
    let identity = Identity::generate().unwrap();
    let post = async |kind: &str, body: &str| {
        let kind = format!("Content-Type: {kind}");
        directory.curl("/v1/hosts/home.dyn.test", &["-H", &bearer, "-H", &kind, "--data-binary", body]).await
    };
    let text = post("text/plain", &format!("{}\n", signed(&identity, 1, Some("203.0.113.9")))).await;
    assert_eq!((text.status, &text.json()["certified"]), (200, &json!(true)));
    let in_json = json!({ "statement": signed(&identity, 3, Some("203.0.113.10")) }).to_string();
    let by_json = post("application/json", &in_json).await.json();
    assert_eq!((&by_json["seq"], &by_json["addresses"]), (&json!(3), &json!(["203.0.113.10"])));
    for (body, status, error) in [
        (signed(&identity, 2, Some("203.0.113.66")), 409, "stale"),
        (signed(&Identity::generate().unwrap(), 9, Some("203.0.113.66")), 403, "wrong-identity"),
        ("ringup1 s=online".to_owned(), 400, "malformed"),
        ("x".repeat(20_000), 413, "too-long"),
    ] {
        let refused = post("text/plain", &body).await;
        assert_eq!((refused.status, refused.json()["error"].as_str().unwrap()), (status, error), "{refused:?}");
    }
    let foreign = directory.curl("/v1/hosts/cam.dyn.test", &["-H", &bearer, "--data-binary", "x"]).await;
    assert_eq!(foreign.status, 403);
    let nobody = directory.curl("/v1/hosts/home.dyn.test", &["--data-binary", "x"]).await;
    assert_eq!((nobody.status, nobody.json()["error"].as_str().unwrap()), (401, "unauthenticated"));
    let found = directory.resolver().query(&"home.dyn.test".parse().unwrap(), soon()).await.unwrap().record.unwrap();
    assert_eq!((found.record().state(), found.verify(&identity.public_key())), (State::Online, Ok(())));
    // What has signed is not a password's to change.
    let login = format!("home-token:{token}");
    let plain = directory.curl("/nic/update?hostname=home.dyn.test&myip=203.0.113.66", &["--user", &login]).await;
    assert_eq!(plain.body, "nohost\n");
}

#[tokio::test]
async fn whoever_waits_is_told_by_poll_and_by_events() {
    let directory = Directory::start().await;
    let token = directory.login("home-token", &["home.dyn.test"]).await;
    let bearer = format!("Authorization: Bearer {token}");
    let identity = Identity::generate().unwrap();
    let register = async |statement: String| {
        let answer = directory.curl("/v1/hosts/home.dyn.test", &["-H", &bearer, "--data-binary", &statement]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    register(signed(&identity, 1, None)).await;
    let short = directory.curl("/v1/hosts/home.dyn.test?wait=online&since=1&timeout=0", &[]).await;
    assert_eq!((short.status, short.body.as_str()), (204, ""));
    assert_eq!(directory.curl("/v1/hosts/home.dyn.test?wait=never", &[]).await.status, 400);
    assert_eq!(directory.curl("/v1/hosts/absent.dyn.test?wait=online", &[]).await.status, 404);

    let url = format!("http://{}/v1/hosts/home.dyn.test?wait=change", directory.http);
    let mut follower = Command::new("curl")
        .args(["--silent", "--no-buffer", "--noproxy", "*", "-H", "Accept: text/event-stream", &url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut event = async || {
        let mut read = Vec::new();
        loop {
            let line = timeout(BOUND, lines.next_line()).await.unwrap().unwrap().unwrap();
            if line.is_empty() {
                return read;
            }
            read.push(line);
        }
    };
    let first = event().await;
    assert_eq!((first[0].as_str(), first[1].as_str()), ("event: record", "id: 1"));
    let (polled, ()) = tokio::join!(
        directory.curl("/v1/hosts/home.dyn.test?wait=online&since=1&timeout=90", &[]),
        register(signed(&identity, 2, Some("203.0.113.9"))),
    );
    assert_eq!((polled.status, &polled.json()["seq"]), (200, &json!(2)));
    let second = event().await;
    let data: Value = serde_json::from_str(second[2].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((second[1].as_str(), data), ("id: 2", polled.json()));
    register(signed(&identity, 3, None)).await;
    assert_eq!(event().await[1], "id: 3");
}

#[tokio::test]
async fn the_administrator_comes_by_socket_or_token_and_nobody_else_does() {
    let directory = Directory::start().await;
    let token = directory.login("router", &["cam.dyn.test"]).await;
    let with = |token: &str| format!("Authorization: Bearer {token}");
    let paths = ["/v1/hosts", "/v1/credentials", "/v1/hosts/home.dyn.test/history"];
    for path in paths {
        assert_eq!(directory.curl(path, &[]).await.status, 401, "{path}");
        assert_eq!(directory.curl(path, &["-H", &with(&token)]).await.status, 403, "{path}");
        assert_eq!(directory.curl(path, &["-H", &with(ADMINISTRATOR)]).await.status, 200, "{path}");
        assert_eq!(directory.curl(path, &["--user", &format!("admin:{ADMINISTRATOR}")]).await.status, 401, "{path}");
    }
    let own = directory.curl("/v1/hosts/cam.dyn.test/history", &["-H", &with(&token)]).await;
    assert_eq!((own.status, own.body.as_str()), (200, "[]"));
    for (method, path) in
        [("PUT", "/v1/hosts"), ("DELETE", "/v1/hosts/cam.dyn.test"), ("POST", "/v1/credentials/router/rotate")]
    {
        assert_eq!(directory.curl(path, &["-X", method, "-H", &with(&token)]).await.status, 403, "{path}");
    }
    let socket = directory.folder.path("directory.db.socket");
    let by_socket = curl("http://directory/v1/hosts", &["--unix-socket", socket.to_str().unwrap()]).await;
    let names: Vec<Value> = by_socket.json().as_array().unwrap().iter().map(|host| host["host"].clone()).collect();
    assert_eq!(names, ["cam.dyn.test", "home.dyn.test"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    // A new secret holds at once, the old one no more; and so do removals.
    let update = async |password: &str| {
        let login = format!("router:{password}");
        directory.curl("/nic/update?hostname=cam.dyn.test&myip=203.0.113.9", &["--user", &login]).await.body
    };
    assert_eq!(update(&token).await, "good 203.0.113.9\n");
    let newer = secret_in(&directory.administer(&["credential", "rotate", "router"]).await);
    assert_eq!(update(&token).await, "badauth\n");
    assert_eq!(update(&newer).await, "nochg 203.0.113.9\n");
    directory.administer(&["host", "remove", "cam.dyn.test"]).await;
    assert_eq!(update(&newer).await, "badauth\n");
    assert_eq!(directory.curl("/v1/hosts/cam.dyn.test", &[]).await.status, 404);
    let gone = directory.resolver().query(&"cam.dyn.test".parse().unwrap(), soon()).await.unwrap();
    assert!(!gone.host_exists);
    let listed = directory.administer(&["credential", "list"]).await;
    assert!(
        listed.contains("home") && listed.contains("in the configuration") && !listed.contains("router"),
        "{listed}"
    );
}

#[tokio::test]
async fn one_code_enrols_a_home_machine_and_pins_its_key() {
    let directory = Directory::start().await;
    let server = directory.dns.to_string();
    let arguments = ["host", "enrol", "attic.dyn.test", "--config", directory.config.to_str().unwrap()];
    let nowhere = run(directory.folder.root(), &arguments).await;
    assert!(nowhere.stderr.contains("listens on this machine alone"), "{}", nowhere.stderr);
    let invitation = directory.administer(&["host", "enrol", "attic.dyn.test", "--server", &server]).await;
    let code = invitation.split_whitespace().last().unwrap().to_owned();
    let home = Scratch::new();
    let config = home.path("ringup.toml");
    home.write("ringup.toml", "state-directory = \"state\"\n[modem]\nport = \"/dev/ttyS0\"\n");
    let enrol = async |folder: &Scratch, code: &str| {
        run(folder.root(), &["enrol", code, "--config", folder.path("ringup.toml").to_str().unwrap()]).await
    };
    let said = enrol(&home, &code).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("the directory knows this machine"), "{}", said.stdout);
    let shown = directory.administer(&["host", "show", "attic.dyn.test"]).await;
    assert!(shown.contains("attic.dyn.test is asleep") && !shown.contains("uncertified"), "{shown}");
    for secret in ["attic.dyn.test.tsig", "attic.dyn.test.identity"] {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(home.path(secret)).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
    let written = std::fs::read_to_string(&config).unwrap();
    assert!(
        written.contains("[host]") && written.contains("port = \"/dev/ttyS0\"") && written.contains(&server),
        "{written}"
    );

    // A thief with the same code comes too late.
    let thief = Scratch::new();
    thief.write("ringup.toml", "state-directory = \"state\"\n");
    let stolen = enrol(&thief, &code).await;
    assert_eq!(stolen.code, Some(94), "{}", stolen.stderr);
    // A newer code replaces the secret at home, and nothing else.
    let invitation = directory.administer(&["host", "enrol", "attic.dyn.test", "--server", &server]).await;
    let newer = invitation.split_whitespace().last().unwrap().to_owned();
    let before = std::fs::read_to_string(home.path("attic.dyn.test.tsig")).unwrap();
    assert_eq!(enrol(&home, &newer).await.code, Some(0));
    assert_ne!(std::fs::read_to_string(home.path("attic.dyn.test.tsig")).unwrap(), before);
    assert_eq!(std::fs::read_to_string(&config).unwrap(), written);
    // One whose time is over enrols nobody.
    let late = directory.administer(&["host", "enrol", "late.dyn.test", "--server", &server, "--within", "0s"]).await;
    let (nobody, code) = (Scratch::new(), late.split_whitespace().last().unwrap().to_owned());
    nobody.write("ringup.toml", "state-directory = \"state\"\n");
    let refused = enrol(&nobody, &code).await;
    assert!(refused.code == Some(91) && refused.stderr.contains("ask the directory's owner"), "{}", refused.stderr);
    let damaged = enrol(&nobody, &code[..code.len() - 3]).await;
    assert!(damaged.stderr.contains("damaged; copy all of it"), "{}", damaged.stderr);
}

#[tokio::test]
async fn it_speaks_tls_and_says_how_it_does() {
    let certificates = Scratch::new();
    let (certificate, key) = (certificates.path("certificate.pem"), certificates.path("key.pem"));
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
                     -addext subjectAltName=DNS:localhost";
    let (to_key, to_certificate) = (["-keyout", key.to_str().unwrap()], ["-out", certificate.to_str().unwrap()]);
    let arguments: Vec<&str> = arguments.split_whitespace().chain(to_key).chain(to_certificate).collect();
    other_house("openssl", &arguments).await;
    let more = format!("certificate = \"{}\"\nkey = \"{}\"\n", certificate.display(), key.display());
    let directory = Directory::start_with(&more).await;
    let url = format!("https://localhost:{}", directory.http.port());
    let trust = ["--cacert", certificate.to_str().unwrap()];
    let health = curl(&format!("{url}/healthz"), &trust).await;
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    curl_fails(&directory, "/healthz").await;
    let metrics = curl(&format!("{url}/metrics"), &trust).await;
    assert!(metrics.headers.contains("version=0.0.4"), "{}", metrics.headers);
    for figure in [
        "ringup_hosts 1\n",
        "ringup_waiters 0\n",
        "ringup_http_connections ",
        "ringup_http_requests_total{status=\"2xx\"} ",
    ] {
        assert!(metrics.body.contains(figure), "{figure}: {}", metrics.body);
    }
    // Every figure is described, as Prometheus wants it.
    for line in metrics.body.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let name = of_histogram.unwrap_or(name);
        assert!(metrics.body.contains(&format!("# TYPE {name} ")), "{name}");
    }
    let absent = curl(&format!("{url}/elsewhere"), &trust).await;
    assert_eq!((absent.status, absent.json()["error"].as_str().unwrap()), (404, "no-such-path"));
    let method = curl(&format!("{url}/healthz"), &[&trust[..], &["-X", "DELETE"]].concat()).await;
    assert_eq!((method.status, method.json()["error"].as_str().unwrap()), (405, "method"));
}

/// What speaks TLS answers nobody who does not.
async fn curl_fails(directory: &Directory, path: &str) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--noproxy", "*", &format!("http://{}{path}", directory.http)]);
    let status = timeout(BOUND, command.stdin(Stdio::null()).status()).await.unwrap().unwrap();
    assert!(!status.success());
}

#[tokio::test]
async fn the_shapes_of_the_json_are_those_of_the_document() {
    let directory = Directory::start().await;
    let document: Value = serde_json::from_str(
        &std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json")).unwrap(),
    )
    .unwrap();
    let keys = |value: &Value| {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let shape = |name: &str| keys(&document["components"]["schemas"][name]["properties"]);
    let admin = ["-H", &format!("Authorization: Bearer {ADMINISTRATOR}")];
    let put = directory
        .curl("/v1/hosts", &[&admin[..], &["-X", "PUT", "--data", "{\"host\":\"cam.dyn.test\"}"]].concat())
        .await;
    assert_eq!(keys(&put.json()), shape("Host"));
    let new = json!({ "name": "cam", "kind": "token", "hosts": ["cam.dyn.test"] }).to_string();
    let made = directory.curl("/v1/credentials", &[&admin[..], &["--data", &new]].concat()).await;
    let mut expected = shape("Credential");
    expected.push("secret".to_owned());
    expected.sort();
    assert_eq!((made.status, keys(&made.json())), (201, expected));
    let login = format!("cam:{}", made.json()["secret"].as_str().unwrap());
    directory.curl("/nic/update?hostname=cam.dyn.test&myip=203.0.113.9", &["--user", &login]).await;
    let past = directory.curl("/v1/hosts/cam.dyn.test/history", &admin).await.json();
    assert_eq!(keys(&past[0]), shape("Past"));
    let listed = directory.curl("/v1/credentials", &admin).await.json();
    assert_eq!(keys(&listed[0]), shape("Credential"));
    let problem = directory.curl("/v1/hosts/absent.dyn.test", &[]).await.json();
    assert_eq!(keys(&problem), shape("Problem"));
    // What the document lists is there.
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{host}", "absent.dyn.test").replace("{name}", "absent");
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let answer = directory.curl(&path, &["-X", &method.to_uppercase()]).await;
            assert!(!answer.body.contains("no-such-path") && answer.status != 405, "{method} {path}: {answer:?}");
        }
    }
    let unknown = directory
        .curl("/v1/hosts", &[&admin[..], &["-X", "PUT", "--data", "{\"host\":\"a.dyn.test\",\"x\":1}"]].concat())
        .await;
    assert_eq!((unknown.status, unknown.json()["error"].as_str().unwrap()), (400, "malformed"));
}
