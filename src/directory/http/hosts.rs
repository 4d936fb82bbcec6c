//! A host in the API: asked for, waited for, registered.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::base::iana::Rtype;
use serde::Deserialize;

use super::auth::{Peer, Principal};
use super::shapes::Problem;
use super::wait::{self, Seen, Until};
use super::{Desk, body_of};
use crate::directory::book::{Change, Step, Wanted};
use crate::directory::entry::Certified;
use crate::directory::figures::Via;
use crate::record::{HostName, SignedRecord};

/// How a host is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    wait: Option<Until>,
    since: Option<u64>,
    /// Seconds.
    timeout: Option<u64>,
}

/// A statement in JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    statement: String,
}

pub(super) fn host_named(name: &str) -> Result<HostName, Problem> {
    name.parse().map_err(|error| Problem::malformed(format!("{error}")))
}

/// `GET /v1/hosts/NAME`: at once, or when it is as it is waited for.
pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(name): Path<String>,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(asked) = query.map_err(|error| Problem::malformed(error.body_text()))?;
    let host = host_named(&name)?;
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepted.contains("text/event-stream") {
        // A client that comes back names the last event that it has seen.
        let seen = headers.get("last-event-id").and_then(|value| Seen::read(value.to_str().ok()?));
        let since = seen.or_else(|| asked.since.map(Seen::record)).unwrap_or_default();
        return wait::events(&desk, &host, asked.wait.unwrap_or(Until::Change), since);
    }
    let Some(until) = asked.wait else {
        let view = desk.view(&host).ok_or_else(|| Problem::unknown_host(host.as_str()))?;
        return Ok(fresh(Json(view)));
    };
    let within = asked.timeout.map_or(wait::DEFAULT_POLL, Duration::from_secs);
    match wait::once(&desk, &host, until, asked.since.unwrap_or(0), within).await? {
        Some(view) => Ok(fresh(Json(view))),
        None => Ok(fresh(StatusCode::NO_CONTENT)),
    }
}

/// `POST /v1/hosts/NAME`: the host's signed statement, as text or in JSON.
pub(super) async fn register(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let principal = desk.principal(peer, &headers).map_err(|rejected| rejected.problem())?;
    let Principal::Holder(credential) = principal else { return Err(Problem::unauthenticated()) };
    let host = host_named(&name)?;
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/json"));
    let text = read_statement(&body_of(body).await?, is_json)?;
    if !credential.covers(&host) {
        return Err(Problem::forbidden(format!("this credential is not bound to {host}")));
    }
    let outcome = desk.front.order(statement_change(&host, &text, &credential.name)?, Via::Json).await.outcome;
    if let Some(problem) = Problem::of(&outcome) {
        return Err(problem);
    }
    let view = desk.view(&host).ok_or_else(Problem::failed)?;
    Ok(Json(view).into_response())
}

/// Reads the statement out of a body.
fn read_statement(body: &[u8], is_json: bool) -> Result<String, Problem> {
    if is_json {
        let registration: Registration =
            serde_json::from_slice(body).map_err(|error| Problem::malformed(error.to_string()))?;
        return Ok(registration.statement);
    }
    let text = std::str::from_utf8(body).map_err(|_bytes| Problem::malformed("the statement is no text"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The change that the body of a registration asks for; `None` where it is refused at once.
pub(in crate::directory) fn asked_for(host: &HostName, body: &[u8], is_json: bool) -> Option<Change> {
    statement_change(host, &read_statement(body, is_json).ok()?, "somebody").ok()
}

/// The change that a statement asks for.
fn statement_change(host: &HostName, text: &str, by: &str) -> Result<Change, Problem> {
    let signed = SignedRecord::parse(host, text).map_err(|error| Problem::malformed(error.to_string()))?;
    let mut steps = vec![Step::DeleteAddresses(Rtype::ANY)];
    steps.extend(signed.record().addresses().iter().map(|address| Step::AddAddress(*address)));
    steps.push(Step::AddStatement(Certified::read(host, text)));
    Ok(Change::of(by, vec![Wanted { host: host.clone(), steps }]))
}

/// What nobody may keep: the next wake changes it.
fn fresh(response: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], response).into_response()
}
