//! Which handler answers which address?
//!
//! One table: requests are dispatched by it and `/openapi.json` is generated from it.

use std::sync::LazyLock;

use http::Method;
use pieskieo_query::Error;

use crate::http::problem;

/// What answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// Statements.
    Query,
    /// Rows as text, in or out.
    Copy,
    /// The list of tables.
    Tables,
    /// One table's columns and indexes.
    Table,
    /// Stores records.
    RecordsInsert,
    /// One record.
    RecordGet,
    /// Stores one record under its key.
    RecordPut,
    /// Changes some fields of one record.
    RecordPatch,
    /// Removes one record.
    RecordDelete,
    /// Vector, text or both.
    Search,
    /// Follows edges.
    Traverse,
    /// The description of this interface.
    OpenApi,
    /// Whether the process lives.
    Health,
    /// Whether statements may run.
    Ready,
    /// Prometheus' text format.
    Metrics,
    /// Where the memory is.
    Memory,
    /// Where to look next.
    Welcome,
}

/// One address.
#[derive(Debug)]
pub struct Route {
    /// HTTP method.
    pub method: Method,
    /// Path pattern, `{name}` for parameters.
    pub path: &'static str,
    /// What answers.
    pub handler: Handler,
    /// Whether it also answers while the server is not ready.
    pub service: bool,
    /// One sentence for the description.
    pub summary: &'static str,
    /// Schema of the request body in `openapi`, if there is one.
    pub request: Option<&'static str>,
    /// Schema of the answer.
    pub response: &'static str,
}

/// A route found, with the values of its path parameters.
#[derive(Debug)]
pub struct Target {
    /// The route; when `other_methods` is set, one with the same path.
    pub route: &'static Route,
    /// Decoded path parameters in order; a key is one per column.
    pub parameters: Vec<String>,
    /// The methods this path has, when the request's is not among them.
    pub other_methods: Option<&'static str>,
}

macro_rules! route {
    ($method:ident $path:literal $handler:ident $service:literal $summary:literal
     $request:expr, $response:literal) => {
        Route {
            method: Method::$method,
            path: $path,
            handler: Handler::$handler,
            service: $service,
            summary: $summary,
            request: $request,
            response: $response,
        }
    };
}

/// Every address there is.
#[rustfmt::skip]
pub static ROUTES: [Route; 17] = [
    route!(POST "/v1/query" Query false "Runs one or several PQL statements in one transaction." Some("QueryRequest"), "QueryAnswer"),
    route!(POST "/v1/copy" Copy false "Takes or gives rows as text, CSV or lines of JSON." Some("Text"), "Any"),
    route!(GET "/v1/tables" Tables false "Lists tables, collections and edge tables." None, "Tables"),
    route!(GET "/v1/tables/{table}" Table false "Describes one table." None, "Table"),
    route!(POST "/v1/tables/{table}/records" RecordsInsert false "Stores one record, an array of records, or NDJSON." Some("Records"), "RecordsAnswer"),
    route!(GET "/v1/tables/{table}/records/{key}" RecordGet false "Returns one record." None, "Record"),
    route!(PUT "/v1/tables/{table}/records/{key}" RecordPut false "Stores one record under its key, replacing an earlier one." Some("Record"), "PutAnswer"),
    route!(PATCH "/v1/tables/{table}/records/{key}" RecordPatch false "Changes the given fields of one record." Some("Record"), "Record"),
    route!(DELETE "/v1/tables/{table}/records/{key}" RecordDelete false "Removes one record." None, "DeleteAnswer"),
    route!(POST "/v1/search" Search false "Finds records by vector, by text or by both, with filters." Some("SearchRequest"), "QueryAnswer"),
    route!(POST "/v1/graph/traverse" Traverse false "Follows edges breadth first." Some("TraverseRequest"), "QueryAnswer"),
    route!(GET "/openapi.json" OpenApi true "Describes this interface." None, "Any"),
    route!(GET "/healthz" Health true "Answers while the process lives." None, "Any"),
    route!(GET "/readyz" Ready true "Answers 200 once recovery is done." None, "Any"),
    route!(GET "/metrics" Metrics true "Returns measurements in Prometheus' text format." None, "Text"),
    route!(GET "/v1/admin/memory" Memory false "Says what every part of the process holds in memory, and what it may." None, "Any"),
    route!(GET "/" Welcome true "Says where to look next." None, "Any"),
];

/// Methods of one path.
struct Methods {
    routes: Vec<&'static Route>,
    allow: &'static str,
}

static ROUTER: LazyLock<matchit::Router<Methods>> = LazyLock::new(|| {
    let mut paths: Vec<(&'static str, Methods)> = Vec::new();
    for route in &ROUTES {
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, methods)) => methods.routes.push(route),
            None => paths.push((route.path, Methods { routes: vec![route], allow: "" })),
        }
    }
    let mut router = matchit::Router::new();
    for (path, mut methods) in paths {
        let names: Vec<&str> = methods.routes.iter().map(|route| route.method.as_str()).collect();
        methods.allow = names.join(", ").leak();
        let inserted = router.insert(path, methods);
        assert!(inserted.is_ok(), "route {path} is written wrongly or twice");
    }
    router
});

/// Returns the route of a request.
///
/// **Errors**: no such path; a path parameter that is not UTF-8 once percent-decoded.
pub fn find(method: &Method, path: &str) -> Result<Target, Error> {
    let found = ROUTER.at(path).map_err(|_| {
        problem::not_found(&format!("there is nothing at \"{path}\""))
            .with_hint("GET /openapi.json lists every address")
    })?;
    let mut parameters = Vec::new();
    for (name, value) in found.params.iter() {
        if name == "key" {
            // One text per column; a comma inside of one is written %2C.
            for part in value.split(',') {
                parameters.push(percent_decode(part)?);
            }
        } else {
            parameters.push(percent_decode(value)?);
        }
    }
    let methods = found.value;
    // HEAD is GET without its body.
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    match methods.routes.iter().find(|route| route.method == *wanted) {
        Some(route) => Ok(Target { route, parameters, other_methods: None }),
        None => {
            Ok(Target { route: methods.routes[0], parameters, other_methods: Some(methods.allow) })
        }
    }
}

fn percent_decode(text: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = (rest.next().and_then(hex), rest.next().and_then(hex));
        let (Some(high), Some(low)) = digits else {
            return Err(problem::bad_request("the address has a broken percent escape"));
        };
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).map_err(|_| problem::bad_request("the address is not UTF-8"))
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_finds_itself() {
        for route in &ROUTES {
            let path = route.path.replace("{table}", "t").replace("{key}", "a%20b");
            let target = find(&route.method, &path).unwrap();
            assert_eq!(target.route.handler, route.handler, "{path}");
            assert!(target.other_methods.is_none());
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let target = find(&Method::GET, "/v1/tables/films/records/a%2Fb%C3%A9").unwrap();
        assert_eq!(target.parameters, ["films", "a/bé"]);
        let target = find(&Method::GET, "/v1/tables/pair/records/1,a%2Cb").unwrap();
        assert_eq!(target.parameters, ["pair", "1", "a,b"]);
        assert!(find(&Method::GET, "/v1/tables/films/records/%zz").is_err());
        assert!(find(&Method::GET, "/v1/nothing").is_err());
    }

    #[test]
    fn a_wrong_method_names_the_right_ones() {
        let target = find(&Method::POST, "/v1/tables/t/records/1").unwrap();
        assert_eq!(target.other_methods, Some("GET, PUT, PATCH, DELETE"));
    }
}
