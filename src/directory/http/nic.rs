//! `/nic/update` and `/v3/update` on the wire: who asks, and what the answer looks like (see [`super::dyndns`]).
//!
//! Never answers 429: inadyn ends for good at that, and at 200 with 911 too. What passes is 503 with 911.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;

use super::auth::{Peer, Principal, Rejected};
use super::dyndns::{Line, Update, Whole};
use super::{Desk, body_of};
use crate::directory::book::{Change, Refusal, Wanted};
use crate::directory::figures::Via;
use crate::directory::roll::Credential;
use crate::directory::update::Outcome;
use crate::record::HostName;

/// Takes an update.
pub(super) async fn update(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let credential = match desk.principal(peer, &headers) {
        Ok(Principal::Holder(credential)) => credential,
        Ok(Principal::Administrator | Principal::Nobody) | Err(Rejected { too_many: false }) => return bad_auth(),
        Err(Rejected { too_many: true }) => return try_later(),
    };
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let form = if is_form { body_of(body).await.unwrap_or_default() } else { axum::body::Bytes::new() };
    let client = peer.client(&headers, &desk.settings.trusted_proxies);
    let update = match Update::read(query.as_deref().unwrap_or_default(), &form, client) {
        Ok(update) => update,
        Err(whole @ (Whole::NotFqdn | Whole::NumHost)) => return plain(StatusCode::OK, whole.body().to_owned()),
    };
    let lines = join_all(update.hosts.iter().map(|host| one(&desk, &credential, &update, host.as_ref()))).await;
    let mut body = String::new();
    for line in lines {
        match line {
            Some(line) => line.push_to(&mut body),
            // Whatever else was done is done again, which changes nothing.
            None => return try_later(),
        }
    }
    plain(StatusCode::OK, body)
}

/// Updates one host; `None` where it could not be stored, or not so soon.
async fn one(desk: &Desk, credential: &Credential, update: &Update, host: Option<&HostName>) -> Option<Line> {
    let Some(host) = host else { return Some(Line::NotFqdn) };
    if !credential.covers(host) {
        return Some(Line::NoHost);
    }
    let lease = desk.front.zone.roll().hosting(host).map(|hosting| hosting.uncertified_lease)?;
    let (steps, line) = match update.apply(&desk.addresses(host)) {
        Ok(applied) => applied,
        Err(line) => return Some(line),
    };
    let change = Change::of(&*credential.name, vec![Wanted { host: host.clone(), steps }]);
    let change = Change { uncertified: Some(lease), ..change };
    match desk.front.order(change, Via::Dyndns2).await.outcome {
        Outcome::Done => Some(line),
        Outcome::Failed | Outcome::Refused(Refusal::TooOften { .. }) => None,
        Outcome::Refused(Refusal::Record(_)) => Some(Line::DnsErr),
        // A host that speaks for itself is not this login's to change.
        Outcome::Refused(_) => Some(Line::NoHost),
    }
}

fn bad_auth() -> Response {
    let mut response = plain(StatusCode::UNAUTHORIZED, "badauth\n".to_owned());
    let challenge = HeaderValue::from_static("Basic realm=\"ringup\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn try_later() -> Response {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "911\n".to_owned());
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    response
}

fn plain(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}
