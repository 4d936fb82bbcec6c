//! Every path there is. `docs/openapi.json` lists the same ones, and a test holds the two against each other.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Router};

use super::administration::Administered;
use super::auth::Peer;
use super::shapes::Problem;
use super::{Desk, administration, hosts, nic, status};

/// The paths and what may be done at them, as OpenAPI writes it.
#[cfg(test)]
pub(super) const ROUTES: [(&str, &[&str]); 11] = [
    ("/", &["get"]),
    ("/healthz", &["get"]),
    ("/metrics", &["get"]),
    ("/nic/update", &["get", "post"]),
    ("/openapi.json", &["get"]),
    ("/v1/credentials", &["get", "post"]),
    ("/v1/credentials/{name}", &["delete"]),
    ("/v1/credentials/{name}/rotate", &["post"]),
    ("/v1/hosts", &["get", "put"]),
    ("/v1/hosts/{host}", &["get", "post", "delete"]),
    ("/v1/hosts/{host}/history", &["get"]),
];

pub(super) fn router(desk: Arc<Desk>) -> Router {
    // A question of nothing but the head changes nothing.
    let update = get(nic::update).post(nic::update).head(no_such_method);
    Router::new()
        .route("/", get(status::page))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .route("/nic/update", update.clone())
        .route("/openapi.json", get(status::document))
        .route("/v3/update", update)
        .route("/v1/credentials", get(administration::credentials).post(administration::add_credential))
        .route("/v1/credentials/{name}", delete(administration::remove_credential))
        .route("/v1/credentials/{name}/rotate", post(administration::rotate))
        .route("/v1/hosts", get(administration::hosts).put(administration::put_host))
        .route("/v1/hosts/{host}", get(hosts::show).post(hosts::register).delete(administration::remove_host))
        .route("/v1/hosts/{host}/history", get(administration::past))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "no-such-path", "there is nothing at this path"))
        .method_not_allowed_fallback(no_such_method)
        .with_state(desk)
}

async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this path does not know that method")
}

/// `GET /healthz`: whether registrations can be taken.
async fn health(State(desk): State<Arc<Desk>>) -> Response {
    if !desk.front.orders.are_taken() {
        let said = "registrations cannot be stored; queries are answered; the log says why\n";
        return (StatusCode::SERVICE_UNAVAILABLE, said).into_response();
    }
    "ok\n".into_response()
}

/// `GET /metrics`: for this machine, and for the administrator.
async fn metrics(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    administered: Result<Administered, Problem>,
) -> Result<Response, Problem> {
    let client = peer.client(&headers, &desk.settings.trusted_proxies);
    if !client.as_ref().is_some_and(IpAddr::is_loopback) {
        let _administrator = administered?;
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], desk.figures()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside the methods stands what all of them take.
    fn methods_of(item: &serde_json::Value) -> Vec<String> {
        item.as_object().unwrap().keys().filter(|key| *key != "parameters").cloned().collect()
    }

    #[test]
    fn the_openapi_document_lists_exactly_the_routes() {
        let text = include_str!("../../../docs/openapi.json");
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let listed: Vec<(String, Vec<String>)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, methods)| (path.clone(), methods_of(methods)))
            .collect();
        let mut expected: Vec<(String, Vec<String>)> = ROUTES
            .iter()
            .map(|(path, methods)| {
                let mut methods: Vec<String> = methods.iter().map(|method| (*method).to_owned()).collect();
                methods.sort();
                ((*path).to_owned(), methods)
            })
            .collect();
        expected.push(("/v3/update".to_owned(), vec!["get".to_owned(), "post".to_owned()]));
        expected.sort();
        let mut sorted = listed;
        sorted.iter_mut().for_each(|(_, methods)| methods.sort());
        sorted.sort();
        assert_eq!(sorted, expected);
    }
}
