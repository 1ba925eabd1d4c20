//! What do bound statements look like?

use pieskieo_query::bind::bind;
use pieskieo_query::syntax::{Statement, parse};

use super::catalog;

fn bound(text: &str) -> String {
    let catalog = catalog();
    let parsed = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let statement = parsed.into_iter().next().expect("one statement").statement;
    let statement = bind(&catalog, statement).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    match statement {
        Statement::Query(query) => query.to_string().replace('"', ""),
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(bound(text), expected, "for {text}");
}

#[test]
fn stars_are_written_out_without_hidden_columns() {
    check(
        "SELECT * FROM Person",
        "SELECT person.id, person.name, person.age, person.bio FROM person",
    );
    check(
        "SELECT n.* FROM note n",
        "SELECT n.body, n.v FROM note AS n".replace(" AS", "").as_str(),
    );
    check("SELECT * FROM film", "SELECT film._id, film.year, film.embedding, film.doc FROM film");
    check("SELECT * FROM knows", "SELECT knows.src, knows.dst, knows.since FROM knows");
    check(
        "SELECT * FROM person p JOIN city c USING (name)",
        "SELECT p.name, p.id, p.age, p.bio, c.people FROM person p JOIN city c USING(name)",
    );
    check(
        "SELECT * FROM person p NATURAL JOIN city c",
        "SELECT p.name, p.id, p.age, p.bio, c.people FROM person p JOIN city c USING(name)",
    );
    check(
        "SELECT * FROM person a JOIN person b ON a.id = b.id",
        "SELECT a.id, a.name, a.age, a.bio, b.id AS id_2, b.name AS name_2, b.age AS age_2, \
         b.bio AS bio_2 FROM person a JOIN person b ON a.id = b.id",
    );
    check(
        "SELECT * FROM city AS c (n)",
        "SELECT c.n, c.people FROM (SELECT city.name, city.people FROM city) AS c (n, people)",
    );
}

#[test]
fn output_columns_have_names_of_their_own() {
    check(
        "SELECT count(*), count(*), 1, age::TEXT, CASE WHEN true THEN 1 END FROM person",
        "SELECT count(*) AS count, count(*) AS count_2, 1 AS ?column?, age::TEXT AS age, \
         CASE WHEN true THEN 1 END AS case FROM person",
    );
}

#[test]
fn undeclared_names_are_fields_of_documents() {
    check(
        "SELECT title, f.meta.director, year FROM film f WHERE plot LIKE '%x%' AND f.rating > 8",
        "SELECT json_get(f.doc, 'title') AS title, json_get(f.doc, 'meta', 'director') AS \
         director, year FROM film f WHERE json_as_text(json_get(f.doc, 'plot')) LIKE '%x%' AND \
         json_get(f.doc, 'rating') > 8",
    );
    check(
        "SELECT cast[0].name AS star FROM film WHERE seen",
        "SELECT json_get(json_get(film.doc, 'cast'), 0, 'name') AS star FROM film WHERE \
         json_as_bool(json_get(film.doc, 'seen'))",
    );
    check(
        "SELECT kind, count(*) FROM film GROUP BY kind ORDER BY kind",
        "SELECT json_get(film.doc, 'kind') AS kind, count(*) AS count FROM film GROUP BY \
         json_get(film.doc, 'kind') ORDER BY json_sort_key(json_get(film.doc, 'kind'))",
    );
    check(
        "SELECT p.bio.lang FROM person p WHERE p.bio.lang IN ('en', 'de') AND bio->'x' = '1'",
        "SELECT json_get(p.bio, 'lang') AS lang FROM person p WHERE \
         json_as_text(json_get(p.bio, 'lang')) IN ('en', 'de') AND bio -> 'x' = '1'",
    );
    check(
        "SELECT sum(price), lower(title) FROM film",
        "SELECT sum(json_as_double(json_get(film.doc, 'price'))) AS sum, \
         lower(json_as_text(json_get(film.doc, 'title'))) AS lower FROM film",
    );
}

#[test]
fn engine_functions_become_columns() {
    check(
        "SELECT body, SCORE() FROM note WHERE MATCHES(body, 'x') ORDER BY SCORE() DESC LIMIT 3",
        "SELECT body, note._score AS score FROM note WHERE matches(body, 'x') ORDER BY \
         note._score DESC LIMIT 3",
    );
    check(
        "SELECT body, DISTANCE() FROM note n ORDER BY v <=> $1 LIMIT 3",
        "SELECT body, v <=> $1 AS distance FROM note n ORDER BY v <=> $1 LIMIT 3",
    );
}

#[test]
fn patterns_are_completed() {
    let text = bound(
        "SELECT b.name, k.since, DEPTH() FROM MATCH (a:person {id: 7})-[k:knows]->(b)-[:knows*1..2]\
         ->(a) WHERE b.age > 1",
    );
    assert!(text.contains("SELECT b.name, k.since, __e1._depth AS depth FROM __match("), "{text}");
    assert!(
        text.ends_with("WHERE b.age > 1 AND (a.id = 7) AND (__n2._key = a._key)")
            || text.ends_with("WHERE b.age > 1 AND (__n2._key = a._key) AND (a.id = 7)"),
        "{text}"
    );
    assert!(text.contains("variable:__n2,table:person"), "{text}");
}

#[test]
fn pipelines_become_queries() {
    check(
        "QUERY person AS p WHERE p.id = 1 SELECT name ORDER BY name DESC LIMIT 2",
        "SELECT name FROM person AS p WHERE (p.id = 1) ORDER BY (name) DESC LIMIT 2"
            .replace("(name)", "name")
            .as_str(),
    );
    check(
        "QUERY film AS f SIMILAR TO $1 ON embedding TOP 5 SELECT f.title, DISTANCE()",
        "SELECT json_get(f.doc, 'title') AS title, _distance AS distance FROM (SELECT f._id, \
         f.year, f.embedding, f.doc, f._key, l2_distance(f.embedding, $1) AS _distance FROM film \
         AS f WHERE f.embedding IS NOT NULL ORDER BY l2_distance(f.embedding, $1) LIMIT 5)",
    );
    let text = bound(
        "QUERY person AS p WHERE p.id = 1 TRAVERSE knows OUT DEPTH 1..2 AS n \
         SELECT n.name, DEPTH()",
    );
    assert!(text.starts_with("SELECT n.name, n._depth AS depth FROM __traverse('{"), "{text}");
    assert!(
        text.ends_with(
            ", (SELECT p.id, p.name, p.age, p.bio, p._key FROM person AS p WHERE (p.id = 1)))"
        ),
        "{text}"
    );
    check(
        "QUERY person AS p JOIN city c ON c.name = p.name GROUP BY c.name COMPUTE n = COUNT(*), \
         top = MAX(age) WHERE n > 1 ORDER BY top DESC",
        "SELECT c.name, (count(*)) AS n, (max(age)) AS top FROM person AS p JOIN city c ON \
         c.name = p.name GROUP BY c.name HAVING (count(*)) > 1 ORDER BY (max(age)) DESC",
    );
}

#[test]
fn text_search_of_reached_records_is_joined() {
    let text = bound(
        "QUERY person AS p TRAVERSE knows AS n WHERE MATCHES(n.name, 'x') SELECT n.name, SCORE()",
    );
    assert!(text.contains("__text_n._score AS score"), "{text}");
    assert!(text.contains("(__text_n._key = n._key)"), "{text}");
}
