//! How does one connection answer one request?
//!
//! Each HTTP connection has one session, so that `SET` lasts as long as the connection.

use std::rc::Rc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use pieskieo_io::time;
use pieskieo_query::error::code;
use pieskieo_query::{Error, Session};

use crate::front::Front;
use crate::http::body::{Body, Upload};
use crate::http::route::{self, Handler, Target};
use crate::http::{
    compress, copy, idempotency, memory, problem, records, search, service, statement, tables,
};
use crate::{limits, metrics};

/// One client connection.
pub struct Connection {
    pub(crate) front: Rc<Front>,
    pub(crate) session: Session,
}

/// Counts a request for as long as it is worked on.
struct Active(Rc<Front>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
    }
}

impl Connection {
    /// Opens a session on this core.
    pub fn open(front: Rc<Front>) -> Self {
        let session = front.database.session();
        Self { front, session }
    }

    /// Answers one request; every failure becomes a problem object.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let started = time::now();
        let target = route::find(request.method(), request.uri().path());
        let name = target.as_ref().map_or("none", |target| target.route.path);
        let accepted = request.headers().get(header::ACCEPT_ENCODING).cloned();
        let wants_head = request.method() == Method::HEAD;
        let result = self.dispatch(Upload::of(request), target).await;
        let mut response = result.unwrap_or_else(|error| self.refuse(&error));
        secure(&mut response);
        let mut response = compress::apply(response, accepted.as_ref());
        if wants_head {
            strip(&mut response);
        }
        metrics::request(name, response.status().as_u16(), started.elapsed());
        response
    }

    /// Answers what failed.
    pub fn refuse(&self, error: &Error) -> Response<Body> {
        if matches!(error.kind, pieskieo_query::Kind::Internal) {
            tracing::error!(code = error.code, message = error.message, "request failed");
        }
        problem::respond(error)
    }

    async fn dispatch(
        &self,
        request: Request<Upload>,
        target: Result<Target, Error>,
    ) -> Result<Response<Body>, Error> {
        let target = target?;
        if let Some(allow) = target.other_methods {
            return Ok(method_refused(request.method(), allow));
        }
        if !target.route.service && !self.front.ready.get() {
            return Err(Error::new(
                code::CANNOT_CONNECT_NOW,
                "the server is starting up or shutting down",
            ));
        }
        if request.headers().get(header::CONTENT_ENCODING).is_some_and(|v| v != "identity") {
            return Err(problem::bad_request("compressed request bodies are not accepted"));
        }
        if request.headers().contains_key(statement::TRANSACTION)
            && ![Handler::Query, Handler::Copy].contains(&target.route.handler)
        {
            return Err(Error::unsupported("a transaction over several requests here")
                .with_hint("Only /v1/query and /v1/copy take the Transaction header."));
        }
        let keyed = [Handler::Query, Handler::RecordsInsert].contains(&target.route.handler);
        if request.headers().contains_key(idempotency::IDEMPOTENCY_KEY) && !keyed {
            return Err(Error::unsupported("an idempotency key here").with_hint(
                "Only POST /v1/query and POST /v1/tables/{table}/records take Idempotency-Key.",
            ));
        }
        // An operator's questions are answered however busy the core is.
        if target.route.service {
            return self.work(request, &target).await;
        }
        let active = self.admit()?;
        let response = self.work(request, &target).await?;
        // An answer that is made while it is sent is work until its end.
        Ok(response.map(|body| body.keeping(active)))
    }

    async fn work(
        &self,
        request: Request<Upload>,
        target: &Target,
    ) -> Result<Response<Body>, Error> {
        let parameters = &target.parameters;
        // On the heap, all but the most frequent: every request has room for what is here.
        match target.route.handler {
            Handler::Query => statement::query(self, request).await,
            Handler::Copy => Box::pin(copy::copy(self, request)).await,
            Handler::Tables => Ok(tables::list(self)),
            Handler::Table => tables::one(self, parameters),
            Handler::RecordsInsert => Box::pin(records::insert(self, request, parameters)).await,
            Handler::RecordGet => Box::pin(records::get(self, parameters)).await,
            Handler::RecordPut => Box::pin(records::put(self, request, parameters)).await,
            Handler::RecordPatch => Box::pin(records::patch(self, request, parameters)).await,
            Handler::RecordDelete => Box::pin(records::delete(self, parameters)).await,
            Handler::Search => Box::pin(search::search(self, request)).await,
            Handler::Traverse => Box::pin(search::traverse(self, request)).await,
            Handler::OpenApi => Ok(service::openapi()),
            Handler::Health => Ok(service::health()),
            Handler::Ready => Ok(service::ready(&self.front)),
            Handler::Metrics => Ok(Box::pin(service::metrics(&self.front)).await),
            Handler::Memory => Box::pin(memory::report(&self.front)).await,
            Handler::Welcome => Ok(service::welcome()),
        }
    }

    fn admit(&self) -> Result<Active, Error> {
        if self.front.active.get() >= limits::REQUESTS_PER_CORE_MAX {
            let text = format!(
                "the limit \"requests_per_core\" of {} was reached",
                limits::REQUESTS_PER_CORE_MAX
            );
            return Err(
                Error::new(code::TOO_MANY_CONNECTIONS, text).with_hint("retry after a moment")
            );
        }
        self.front.active.set(self.front.active.get() + 1);
        Ok(Active(self.front.clone()))
    }
}

fn method_refused(method: &Method, allow: &'static str) -> Response<Body> {
    let error = problem::bad_request(&format!("{method} is not possible here; {allow} is"));
    let mut response = problem::respond_with(&error, StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Leaves the body out and tells its length. Over HTTP/2 hyper would send it.
fn strip(response: &mut Response<Body>) {
    let body = std::mem::replace(response.body_mut(), Body::Full(None));
    if let Body::Full(Some(bytes)) = body {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
}

/// Adds the headers that keep browsers from guessing.
fn secure(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
