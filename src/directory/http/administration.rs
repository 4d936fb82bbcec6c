//! The administrator's part of the API: hosts, their history, and credentials.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::auth::{Peer, Principal, Rejected};
use super::hosts::host_named;
use super::shapes::{HostView, Problem};
use super::{Desk, body_of, history};
use crate::directory::accounts::{AccountError, Accounts, Made, NewCredential, NewHost};
use crate::directory::book::{Change, Step, Wanted};
use crate::directory::figures::Via;
use crate::record::HostName;

type Answer = Result<Response, Problem>;

impl Rejected {
    pub(super) fn problem(self) -> Problem {
        if self.too_many { Problem::too_many("too many failed logins") } else { Problem::unauthenticated() }
    }
}

/// The desk, for the administrator: everybody else is turned away before anything of a request is looked at.
pub(super) struct Administered(Arc<Desk>);

impl FromRequestParts<Arc<Desk>> for Administered {
    type Rejection = Problem;

    async fn from_request_parts(request: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Problem> {
        let Some(peer) = request.extensions.get::<Peer>().copied() else { return Err(Problem::unauthenticated()) };
        match desk.principal(peer, &request.headers).map_err(Rejected::problem)? {
            Principal::Administrator => Ok(Self(Arc::clone(desk))),
            Principal::Holder(_) => Err(Problem::forbidden("this is for the administrator")),
            Principal::Nobody => Err(Problem::unauthenticated()),
        }
    }
}

/// Does what touches the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_stopped| Problem::failed())
}

async fn on_accounts<T: Send + 'static>(
    desk: &Arc<Desk>,
    work: impl FnOnce(&Accounts, u64) -> Result<T, AccountError> + Send + 'static,
) -> Result<T, Problem> {
    let desk = Arc::clone(desk);
    blocking(move || work(&desk.accounts, desk.front.clock.now())).await?.map_err(Problem::from)
}

async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    serde_json::from_slice(&body_of(body).await?).map_err(|error| Problem::malformed(error.to_string()))
}

/// `GET /v1/hosts`
pub(super) async fn hosts(Administered(desk): Administered) -> Answer {
    // Beside those that were added or configured, those that came under a key for all below a name, or whose key is gone.
    let mut names: BTreeSet<HostName> = desk.front.zone.roll().hosts().cloned().collect();
    names.extend(desk.front.read().all().filter_map(|(name, _)| desk.front.zone.host(name)));
    let views: Vec<HostView> = names.iter().filter_map(|host| desk.view(host)).collect();
    Ok(Json(views).into_response())
}

/// `PUT /v1/hosts`
pub(super) async fn put_host(Administered(desk): Administered, body: Body) -> Answer {
    let new: NewHost = read(body).await?;
    let host = host_named(&new.host)?;
    on_accounts(&desk, move |accounts, now| accounts.put_host(&new, now)).await?;
    tracing::info!(%host, "host added or changed");
    let view = desk.view(&host).ok_or_else(Problem::failed)?;
    Ok(Json(view).into_response())
}

/// `DELETE /v1/hosts/NAME`
pub(super) async fn remove_host(Administered(desk): Administered, Path(name): Path<String>) -> Answer {
    let host = host_named(&name)?;
    let removed = host.clone();
    let is_registered = desk.look(|view, _now| view.kept(&host).is_some());
    // First who may register it, then what it registered: nothing comes in between.
    on_accounts(&desk, move |accounts, _now| match accounts.remove_host(&removed) {
        // A key for all below a name registered it, or one that is gone; or this was tried before and not stored.
        Err(AccountError::Unknown(_)) if is_registered => Ok(()),
        removed => removed,
    })
    .await?;
    let change = Change::of("administrator", vec![Wanted { host: host.clone(), steps: vec![Step::Remove] }]);
    if let Some(problem) = Problem::of(&desk.front.order(change, Via::Administrator).await.outcome) {
        return Err(problem);
    }
    tracing::info!(%host, "host removed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// How much history.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Depth {
    limit: Option<u32>,
}

/// `GET /v1/hosts/NAME/history`: for the administrator, and for who may change the host.
pub(super) async fn past(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    depth: Result<Query<Depth>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Answer {
    let host = host_named(&name)?;
    match desk.principal(peer, &headers).map_err(Rejected::problem)? {
        Principal::Administrator => {}
        Principal::Holder(credential) if credential.covers(&host) => {}
        Principal::Holder(_) => return Err(Problem::forbidden(format!("this credential is not bound to {host}"))),
        Principal::Nobody => return Err(Problem::unauthenticated()),
    }
    let Query(depth) = depth.map_err(|error| Problem::malformed(error.body_text()))?;
    let most = depth.limit.unwrap_or(DEFAULT_DEPTH).min(DEEPEST);
    let database = desk.database.clone();
    let past = blocking(move || history::read(&database, &host, most)).await?.map_err(|error| {
        tracing::error!(%error, "the history cannot be read");
        Problem::failed()
    })?;
    Ok(Json(past).into_response())
}

/// `GET /v1/credentials`
pub(super) async fn credentials(Administered(desk): Administered) -> Answer {
    let found = on_accounts(&desk, |accounts, _now| accounts.credentials()).await?;
    Ok(Json(found).into_response())
}

/// `POST /v1/credentials`
pub(super) async fn add_credential(Administered(desk): Administered, body: Body) -> Answer {
    let new: NewCredential = read(body).await?;
    let made = on_accounts(&desk, move |accounts, now| accounts.add_credential(&new, now)).await?;
    tracing::info!(credential = made.credential.name, hosts = ?made.credential.hosts, "credential made");
    Ok(shown_once(StatusCode::CREATED, made))
}

/// What is to be so of a credential with a new secret.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Rotation {
    enrol_until: Option<u64>,
}

/// `POST /v1/credentials/NAME/rotate`
pub(super) async fn rotate(Administered(desk): Administered, Path(name): Path<String>, body: Body) -> Answer {
    let body = body_of(body).await?;
    let rotation: Rotation = if body.is_empty() {
        Rotation::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| Problem::malformed(error.to_string()))?
    };
    let made = on_accounts(&desk, move |accounts, now| accounts.rotate(&name, rotation.enrol_until, now)).await?;
    tracing::info!(credential = made.credential.name, "credential has a new secret");
    Ok(shown_once(StatusCode::OK, made))
}

/// `DELETE /v1/credentials/NAME`
pub(super) async fn remove_credential(Administered(desk): Administered, Path(name): Path<String>) -> Answer {
    let removed = name.clone();
    on_accounts(&desk, move |accounts, _now| accounts.remove_credential(&removed)).await?;
    tracing::info!(credential = name, "credential removed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn shown_once(status: StatusCode, made: Made) -> Response {
    (status, [(axum::http::header::CACHE_CONTROL, "no-store")], Json(made)).into_response()
}

const DEFAULT_DEPTH: u32 = 100;
const DEEPEST: u32 = 10_000;
