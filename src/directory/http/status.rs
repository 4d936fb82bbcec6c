//! The page for people: what the directory serves and whether it is well, without scripts, and anew every half minute.
//!
//! Strangers see numbers; which hosts there are, and how they are, is for the administrator.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{Html, IntoResponse, Response};

use super::Desk;
use super::administration::Administered;
use super::shapes::Problem;
use crate::record::HostName;

/// `GET /`
pub(super) async fn page(State(desk): State<Arc<Desk>>, administered: Result<Administered, Problem>) -> Response {
    let page = desk.page(administered.is_ok());
    ([(header::CACHE_CONTROL, "no-store"), (POLICY, "default-src 'none'; style-src 'unsafe-inline'")], Html(page))
        .into_response()
}

/// `GET /openapi.json`
pub(super) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../../../docs/openapi.json")).into_response()
}

impl Desk {
    /// Writes the page. Names of zones and hosts have no character that HTML reads otherwise.
    fn page(&self, for_administrator: bool) -> String {
        let (zone, version) = (&self.front.zone.apex, env!("CARGO_PKG_VERSION"));
        let (serial, online, registered) = {
            let index = self.front.read();
            (index.serial, index.online(), index.len())
        };
        let asleep = registered.saturating_sub(online);
        let health = if self.front.orders.are_taken() {
            "<p>Well: registrations are taken.</p>"
        } else {
            "<p class=\"ill\">Not well: registrations cannot be stored. Queries are answered. The log says why.</p>"
        };
        let hosts = if for_administrator { self.table_of_hosts() } else { String::new() };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<meta http-equiv=\"refresh\" content=\"30\">\n\
             <title>{zone}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{zone}</h1>\n{health}\n\
             <table>\n<tr><th>hosts online</th><td>{online}</td></tr>\n<tr><th>asleep, or away</th><td>{asleep}</td></tr>\n\
             <tr><th>serial of the zone</th><td>{serial}</td></tr>\n\
             <tr><th>ringup</th><td>{version}</td></tr>\n</table>\n{hosts}\
             <p><a href=\"/openapi.json\">the API for programs</a>, <a href=\"/healthz\">its health in a word</a></p>\n\
             </body>\n</html>\n"
        )
    }

    fn table_of_hosts(&self) -> String {
        let mut names: Vec<HostName> = self.front.zone.roll().hosts().cloned().collect();
        names.sort_unstable();
        let mut text = String::from("<h2>Hosts</h2>\n<table>\n");
        for view in names.iter().take(MOST_HOSTS).filter_map(|host| self.view(host)) {
            let (host, state) = (view.host(), view.state());
            // Writing to memory does not fail.
            let _written = writeln!(text, "<tr><th><a href=\"/v1/hosts/{host}\">{host}</a></th><td>{state}</td></tr>");
        }
        text.push_str("</table>\n");
        if let Some(more) = names.len().checked_sub(MOST_HOSTS).filter(|more| *more > 0) {
            let _written = writeln!(text, "<p>and {more} more: <code>ringup host list</code></p>");
        }
        text
    }
}

const POLICY: HeaderName = HeaderName::from_static("content-security-policy");
const STYLE: &str = "body{font:16px sans-serif;max-width:40em;margin:2em auto;padding:0 1em}\
    th{text-align:left;font-weight:normal;padding-right:2em}.ill{color:#b00;font-weight:bold}";
/// More are nothing for a page.
const MOST_HOSTS: usize = 1000;

#[cfg(test)]
mod tests {
    use crate::directory::fixture::Fixture;
    use crate::directory::http::fixture::World;

    #[test]
    fn strangers_see_how_many_and_the_administrator_sees_whom() {
        let mut fixture = Fixture::new();
        fixture.register(1, &["203.0.113.9"]);
        let world = World::new("status", fixture);
        let page = world.desk.page(false);
        for part in ["<h1>dyn.test</h1>", "<td>1</td>", "registrations are taken", env!("CARGO_PKG_VERSION")] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(
            !page.contains("home.dyn.test") && !page.contains("203.0.113.9") && !page.contains("<script"),
            "{page}"
        );
        let page = world.desk.page(true);
        assert!(page.contains("home.dyn.test</a></th><td>online</td>"), "{page}");
        assert!(page.contains("deep.site.dyn.test</a></th><td>unknown</td>"), "{page}");
    }
}
