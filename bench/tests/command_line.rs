//! Does the real program keep its promises to the person and the scripts that command it?

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what surprises a test stops it, and it looks at the server from outside"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::Folder;
use support::program::{Output, Program, Server};

/// A folder with room for data and files, and a server over it.
fn server() -> (Folder, Server) {
    let folder = Folder::made();
    let server = Server::start(&folder.path().join("data"), &["--shards", "2"]).unwrap();
    (folder, server)
}

fn write(folder: &Folder, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

#[test]
fn statements_come_from_a_flag_a_file_or_a_pipe() {
    let (folder, server) = server();
    let file = write(
        &folder,
        "a.pql",
        "CREATE TABLE t (id INT PRIMARY KEY);\nINSERT INTO t VALUES (1), (2);",
    );
    let made = server.sql(&["-f", &file]).done();
    assert!(made.out.contains("OK, 2 affected"), "{}", made.out);
    let shown = server.sql(&["-c", "SELECT id FROM t ORDER BY id"]).done().out;
    assert!(shown.contains("id") && shown.ends_with("(2 rows)\n"), "{shown}");
    let piped = server.sql(&["-f", "-"]).input("SELECT COUNT(*) AS n FROM t").done().out;
    assert!(piped.contains("(1 row)"), "{piped}");
    let raw = server.sql(&["--json", "-c", "SELECT id FROM t ORDER BY id"]).done().out;
    let raw: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(raw["rows"], json!([[1], [2]]));
    let timed = server.sql(&["--timing", "-c", "SELECT 1"]).done().out;
    assert!(timed.lines().last().unwrap().starts_with("Time: "), "{timed}");
    server.stop();
}

#[test]
fn a_refused_statement_fails_the_command_and_points_at_its_place() {
    let (_folder, server) = server();
    server.sql(&["-c", "CREATE TABLE person (id INT PRIMARY KEY, name TEXT)"]).done();
    let refused = server.sql(&["-c", "SELECT id\nFROM persn"]).run();
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    let expected = [
        "ERROR 42P01: ",
        "\"persn\"",
        "\nLINE 2: FROM persn\n             ^\n",
        "\nHINT: ",
        "person",
    ];
    for part in expected {
        assert!(refused.err.contains(part), "{part:?} is not in {}", refused.err);
    }
    let (_, unreachable) = (server.stop(), Program::new(&["sql", "-c", "SELECT 1"]));
    let nobody = unreachable.env("PIESKIEO_URL", "http://127.0.0.1:1").run();
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.err.contains("http://127.0.0.1:1") && nobody.err.contains("pieskieo serve"));
}

#[test]
fn the_prompt_understands_what_comes_through_a_pipe() {
    let (folder, server) = server();
    let file = write(&folder, "more.pql", "INSERT INTO film VALUES (3, 'C');");
    let input = format!(
        "-- two lines, one statement\n\
         CREATE TABLE film (id INT PRIMARY KEY,\n  title TEXT NOT NULL DEFAULT 'a;');\n\
         INSERT INTO film VALUES (1, 'A;\n;B');\n\
         \\timing\n\
         SELECT title FROM film;\n\
         \\timing\n\
         \\d\n\
         \\d film\n\
         \\i {file}\n\
         \\json\n\
         SELECT COUNT(*) AS n FROM film; -- with a word after it\n\
         SELECT id FROM film ORDER BY id\n"
    );
    let told = server.sql(&[]).input(&input).done();
    let expected = [
        "OK, 1 affected",
        "timing is on",
        "A;",
        "Time: ",
        "timing is off",
        "table \"film\"",
        "not null",
        "key: id",
        "raw answers are on",
        "\"rows\":[[2]]",
        "\"rows\":[[1],[3]]",
    ];
    let mut rest = told.out.as_str();
    for part in expected {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is missing in {}", told.out));
        rest = &rest[at + part.len()..];
    }
    assert_eq!(told.out.matches("Time: ").count(), 1, "{}", told.out);
    let mixed = "\\nothing\nSELECT 1 AS one;\nSELEC 2;\n\\q\nSELECT 3 AS three;\n";
    let mixed = server.sql(&[]).input(mixed).run();
    assert_eq!(mixed.code, Some(1), "a failed input fails the command");
    assert!(mixed.out.contains("one") && !mixed.out.contains("three"), "{}", mixed.out);
    assert!(mixed.err.contains("there is no command \\nothing"), "{}", mixed.err);
    assert!(mixed.err.contains("ERROR 42601") && mixed.err.contains("2 inputs failed"));
    server.stop();
}

const COLUMNS: &str = "(id BIGINT PRIMARY KEY, b BOOL, i INT, n NUMERIC(20, 4), f FLOAT, d DOUBLE, \
     s TEXT, y BYTEA, day DATE, at TIMESTAMPTZ, u UUID, j JSON, v VECTOR(3))";

const VALUES: &str = r#"
    (1, true, -7, 12345.6789, 0.1, 0.1, 'a, "b"' , '\x00ff', '2024-02-29', '2024-01-31T12:34:56.789Z',
     '6f1d0e6a-0000-4000-8000-0123456789ab', '{"a": [1, {"b": null}], "s": "x"}', '[1, 0.25, -3]'),
    (9007199254740993, false, 2147483647, -0.0001, -1.5e-7, 1e300, 'naïve
new line', '\x', '0001-01-01', '1969-12-31T23:59:59.000001Z',
     '00000000-0000-0000-0000-000000000000', '"text"', '[0, 0, 1e-10]'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (4, NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, '[]', NULL)"#;

#[test]
fn what_was_exported_comes_back_the_same() {
    let (folder, server) = server();
    server
        .sql(&["-c", &format!("CREATE TABLE source {COLUMNS}; INSERT INTO source VALUES {VALUES}")])
        .done();
    let all = |table: &str| {
        let pql = format!("SELECT * FROM {table} ORDER BY id");
        server.sql(&["--json", "-c", &pql]).done().out
    };
    let expected = all("source");
    for ending in ["csv", "json", "jsonl", "ndjson"] {
        let file = folder.path().join(format!("rows.{ending}")).display().to_string();
        let table = format!("from_{ending}");
        server.sql(&["-c", &format!("CREATE TABLE {table} {COLUMNS}")]).done();
        let written = server.run(&["export", "source", "-o", &file]).done().out;
        assert_eq!(written, format!("4 rows into \"{file}\"\n"));
        let loaded = server.run(&["import", &file, "--table", &table]).done().out;
        assert!(loaded.starts_with(&format!("4 records into \"{table}\". Time: ")), "{loaded}");
        assert_eq!(all(&table), expected, "{ending}");
        let again = server.run(&["import", &file, "--table", &table]).run();
        assert_eq!(again.code, Some(1), "the records are there already");
        assert!(again.err.contains("record 1: ") && again.err.contains("4 records were refused"));
        server.run(&["import", &file, "--table", &table, "--replace"]).done();
        assert_eq!(all(&table), expected, "{ending}, replaced");
    }
    let one = server.run(&["export", "SELECT id, s FROM source WHERE id = 4", "--format", "csv"]);
    assert_eq!(one.done().out, "id,s\n4,\"\"\n");
    server.stop();
}

#[test]
fn exported_documents_come_back_the_same() {
    let (folder, server) = server();
    let documents = r#"{"_id": "a", "title": "Engines", "year": 1843, "tags": ["x", {"y": null}], "n": 0.5}
{"_id": "b", "title": "Looms", "meta": {"by": "J"}, "year": null}
"#;
    let file = write(&folder, "in.jsonl", documents);
    server
        .sql(&["-c", "CREATE COLLECTION note (year INT); CREATE COLLECTION copy (year INT)"])
        .done();
    server.run(&["import", &file, "--table", "note"]).done();
    let out = folder.path().join("out.jsonl").display().to_string();
    server.run(&["export", "note", "-o", &out]).done();
    let parsed = |text: &str| -> BTreeMap<String, Value> {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| (line["_id"].as_str().unwrap().to_owned(), line)).collect()
    };
    let (given, written) = (parsed(documents), parsed(&fs::read_to_string(&out).unwrap()));
    assert_eq!(given["a"], written["a"]);
    server.run(&["import", &out, "--table", "copy"]).done();
    let all = |table: &str| {
        let pql = format!("SELECT _id, title, year, tags, meta, n FROM {table} ORDER BY _id");
        let told = server.sql(&["--json", "-c", &pql]).done().out;
        serde_json::from_str::<Value>(&told).unwrap()["rows"].clone()
    };
    assert_eq!(all("copy"), all("note"));
    server.stop();
}

/// Returns a NumPy file of version 1.
fn npy(element: &str, count: usize, dimension: usize, data: &[u8]) -> Vec<u8> {
    let header = format!(
        "{{'descr': '{element}', 'fortran_order': False, 'shape': ({count}, {dimension}), }}\n"
    );
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn vectors_come_in_from_numpy_and_fvecs() {
    let (folder, server) = server();
    let vectors = [[1.0_f32, -2.5], [0.0, 3.0], [0.5, 1e-3]];
    let flat = || vectors.iter().flatten();
    let bytes = |of: fn(f32) -> Vec<u8>| flat().flat_map(|value| of(*value)).collect::<Vec<u8>>();
    let fvecs: Vec<u8> = vectors
        .iter()
        .flat_map(|vector| {
            let values = vector.iter().flat_map(|value| value.to_le_bytes());
            2_u32.to_le_bytes().into_iter().chain(values).collect::<Vec<u8>>()
        })
        .collect();
    // Half precision: 1, -2.5, 0, 3, 0.5, and 0.001 as the nearest half, 0x1419.
    let halves: Vec<u8> = [0x3c00_u16, 0xc100, 0, 0x4200, 0x3800, 0x1419]
        .iter()
        .flat_map(|h| h.to_le_bytes())
        .collect();
    // 0x1419: exponent 5 - 15 = -10, fraction 0x19 of 0x400; JSON shows the shortest digits.
    let nearest: Value = serde_json::from_str("0.0010004044").unwrap();
    let exact = json!([[0, [1.0, -2.5]], [1, [0.0, 3.0]], [2, [0.5, 0.001]]]);
    let rough = json!([[0, [1.0, -2.5]], [1, [0.0, 3.0]], [2, [0.5, nearest]]]);
    let whole = json!([[0, [1.0, 255.0]], [1, [0.0, 3.0]], [2, [7.0, 8.0]]]);
    let cases = [
        ("f4.npy", npy("<f4", 3, 2, &bytes(|x| x.to_le_bytes().to_vec())), &exact),
        ("f8.npy", npy("<f8", 3, 2, &bytes(|x| f64::from(x).to_le_bytes().to_vec())), &exact),
        ("f2.npy", npy("<f2", 3, 2, &halves), &rough),
        ("u1.npy", npy("|u1", 3, 2, &[1, 255, 0, 3, 7, 8]), &whole),
        ("plain.fvecs", fvecs, &exact),
    ];
    for (name, file, expected) in cases {
        let table = name.replace('.', "_");
        server
            .sql(&["-c", &format!("CREATE TABLE {table} (id INT PRIMARY KEY, v VECTOR(2))")])
            .done();
        let path = write(&folder, name, file);
        let flags = ["--number", "id", "--vector-column", "v"];
        server.run(&[&["import", &path, "--table", &table], &flags[..]].concat()).done();
        let all = format!("SELECT id, v FROM {table} ORDER BY id");
        let told: Value =
            serde_json::from_str(&server.sql(&["--json", "-c", &all]).done().out).unwrap();
        assert_eq!(told["rows"], *expected, "{name}");
    }
    let records = write(&folder, "names.csv", "id,name\n1,a\n2,b\n3,c\n");
    server.sql(&["-c", "CREATE TABLE named (id INT PRIMARY KEY, name TEXT, v VECTOR(2))"]).done();
    let vectors = format!("{}:v", folder.path().join("plain.fvecs").display());
    server.run(&["import", &records, "--table", "named", "--vectors", &vectors]).done();
    let second = server.sql(&["--json", "-c", "SELECT v FROM named WHERE id = 2"]).done().out;
    assert!(second.contains("[[[0.0,3.0]]]"), "{second}");
    let cut = write(&folder, "cut.npy", npy("<f4", 3, 2, &[0; 12]));
    let broken = server.run(&["import", &cut, "--table", "named", "--vector-column", "v"]).run();
    assert!(broken.code == Some(1) && broken.err.contains("row 1"), "{}", broken.err);
    let refused = server.run(&["export", "named", "--format", "npy"]).run();
    assert!(refused.code == Some(1) && refused.err.contains("csv, json or jsonl"));
    server.stop();
}

#[test]
fn a_broken_file_names_its_line() {
    let (folder, server) = server();
    server.sql(&["-c", "CREATE TABLE t (id INT PRIMARY KEY, name TEXT)"]).done();
    let cases = [
        ("short.csv", "id,name\n1,a\n2\n", "line 3"),
        ("open.csv", "id,name\n1,\"a\n", "line 2"),
        ("broken.jsonl", "{\"id\":1}\n\n{oops\n", "line 3"),
        ("broken.json", "[{\"id\":1},\n{oops]", "line 2"),
        ("number.json", "[1]", "member 1"),
        ("rows.txt", "1\n", "--format"),
        ("absent.csv", "", "absent.csv"),
    ];
    for (name, text, expected) in cases {
        let path = folder.path().join(name);
        if name != "absent.csv" {
            fs::write(&path, text).unwrap();
        }
        let path = path.display().to_string();
        let told = server.run(&["import", &path, "--table", "t"]).run();
        assert_eq!(told.code, Some(1), "{name}");
        assert!(told.err.contains(expected) && told.err.contains(name), "{name}: {}", told.err);
    }
    let good = write(&folder, "good.csv", "id,name\n1,a\nx,b\n3,c\n");
    let told = server.run(&["import", &good, "--table", "t"]).run();
    assert!(told.err.contains("record 2: ") && told.err.contains("1 records were refused"));
    let absent = server.run(&["import", &good, "--table", "absent"]).run();
    assert!(absent.code == Some(1) && absent.err.contains("absent"), "{}", absent.err);
    server.stop();
}

#[test]
fn settings_come_from_flag_then_environment_then_file_then_default() {
    let folder = Folder::made();
    let file =
        write(&folder, "set.toml", "ef_search = 11\nshards = 3\nlog = \"warn\"\ndata = \"there\"");
    let shown =
        Program::new(&["config", "--config", &file, "--shards", "5", "--set", "ef_search=33"])
            .env("PIESKIEO_SHARD_TOTAL", "4")
            .env("PIESKIEO_LOG", "debug")
            .done()
            .out;
    let cases = [
        ("shards", "5", "flag"),
        ("ef_search", "33", "flag"),
        ("log", "debug", "environment"),
        ("data", "there", "file"),
        ("listen", "127.0.0.1:8000", "default"),
        ("tls_cert", "-", "default"),
    ];
    for (name, value, source) in cases {
        let row = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = row.into_iter().find(|words| words.get(1) == Some(&name));
        let row = row.unwrap_or_else(|| panic!("{name} is missing in {shown}"));
        assert_eq!((row[2], row[3]), (value, source), "{name}");
    }
    let wrong_key = write(&folder, "key.toml", "shard = 3");
    let wrong_value = write(&folder, "value.toml", "ef_search = 0");
    let no_toml = write(&folder, "no.toml", "shards: 3");
    let cases: [(&[&str], &str); 7] = [
        (&["--config", &wrong_key], "unknown \"shard\"; did you mean \"shards\"?"),
        (&["--config", &wrong_value], "\"ef_search\" in the configuration file is \"0\""),
        (&["--config", &no_toml], "is not TOML"),
        (&["--config", "/nowhere/set.toml"], "/nowhere/set.toml"),
        (&["--set", "ef_serch=3"], "there is no setting \"ef_serch\""),
        (&["--shards", "0"], "the flag --shards is \"0\""),
        (&["--set", "tls_cert=a.pem"], "tls_cert and tls_key belong together"),
    ];
    for (flags, expected) in cases {
        for command in ["config", "serve"] {
            let refused = Program::new(&[&[command], flags].concat()).run();
            assert_eq!(refused.code, Some(1), "{command} {flags:?}");
            assert!(refused.err.contains(expected), "{command} {flags:?}: {}", refused.err);
        }
    }
    let variable = Program::new(&["config"]).env("PIESKIEO_EF_SEARCH", "many").run();
    assert!(variable.err.contains("PIESKIEO_EF_SEARCH is \"many\""), "{}", variable.err);
}

#[test]
fn the_machine_is_examined_with_facts_and_remedies() {
    let folder = Folder::made();
    let data = folder.path().join("data").display().to_string();
    let told = Program::new(&["doctor", "--data", &data]).run();
    for name in ["io_uring", "memory"] {
        assert!(told.out.contains(name), "{name}: {}", told.out);
    }
    let fatal = told.out.lines().filter(|line| line.starts_with("FAIL")).count();
    assert_eq!(told.code, Some(i32::from(fatal > 0)), "{}", told.out);
    let small = Program::limited(64, &["doctor", "--data", &data]).run();
    assert!(small.out.contains("ulimit -l"), "{}", small.out);
}

/// Fills a server with something of every model.
fn fill(server: &Server) {
    let schema = "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT, v VECTOR(2));
        CREATE INDEX person_name ON person (name);
        CREATE INDEX person_v ON person USING hnsw (v vector_l2_ops);
        CREATE COLLECTION note;
        CREATE INDEX note_text ON note USING text (body);
        CREATE EDGE knows FROM person TO person";
    server.sql(&["-c", schema]).done();
    for id in 0..8 {
        let person = format!("INSERT INTO person VALUES ({id}, 'needle {id}', '[{id}, 1]')");
        server.sql(&["-c", &person]).done();
    }
    let rest = "INSERT INTO note VALUES ('{\"_id\": \"a\", \"body\": \"an engine\"}');
        INSERT INTO knows VALUES (0, 1), (1, 2)";
    server.sql(&["-c", rest]).done();
}

#[test]
fn sound_data_is_called_sound_and_not_changed() {
    let (folder, server) = server();
    fill(&server);
    let data = folder.path().join("data").display().to_string();
    let busy = Program::new(&["verify", "--data", &data]).run();
    assert_eq!(busy.code, Some(2), "a folder that is being written is not examined");
    assert!(busy.err.contains(&data) && busy.err.contains("in use"), "{}", busy.err);
    server.stop();
    let sound = Program::new(&["verify", "--data", &data]).done().out;
    assert!(sound.contains("shard 0: ") && sound.contains("shard 1: "), "{sound}");
    assert!(sound.ends_with(&format!("\"{data}\" is sound\n")), "{sound}");
    let again = Program::new(&["verify", "--data", &data]).done().out;
    assert_eq!(sound, again, "looking changes nothing");
    let deep = Program::new(&["verify", "--deep", "--data", &data]).done().out;
    assert!(deep.ends_with(&format!("\"{data}\" is sound\n")), "{deep}");
    let repaired = Program::new(&["verify", "--repair", "--data", &data]).done().out;
    assert!(repaired.ends_with("is sound\n") && !repaired.contains("repaired:"), "{repaired}");
    let empty = Program::new(&["verify", "--data", "/nowhere"]).run();
    assert!(empty.code == Some(2) && empty.err.contains("\"/nowhere\" holds no data"));
    fs::remove_file(log_with(Path::new(&data), b"needle 3")).unwrap();
    let lost = Program::new(&["verify", "--data", &data]).run();
    assert!(lost.code == Some(1) && lost.out.contains("its log is missing"), "{}", lost.out);
}

#[test]
fn files_are_shown_and_what_is_none_of_them_is_refused() {
    let (folder, server) = server();
    fill(&server);
    let data = folder.path().join("data");
    let shown = |path: &Path| path.display().to_string();
    let inspect = |what: &str, path: &Path| Program::new(&["inspect", what, &shown(path)]).run();
    let busy = inspect("layout", &data);
    assert!(busy.code == Some(2) && busy.err.contains("stop the server first"), "{}", busy.err);
    server.stop();
    let log = log_with(&data, b"needle 3");
    let manifest = data.join("segments/0/manifest-0000000001");
    let layout = inspect("layout", &data);
    assert_eq!(layout.code, Some(0), "{}{}", layout.out, layout.err);
    assert!(layout.out.contains("shards 2") && layout.out.contains("last lsn"), "{}", layout.out);
    let frames = inspect("wal", &log);
    assert!(frames.code == Some(0) && frames.out.contains("1 commit"), "{}", frames.out);
    assert!(inspect("wal", &data).out.contains("catalog"), "all logs of a data folder");
    let edits = inspect("manifest", &manifest);
    assert!(edits.code == Some(0) && edits.out.contains("snapshot"), "{}", edits.out);
    let json = Program::new(&["inspect", "wal", "--json", &shown(&log)]).done().out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["frames"][0]["checksum"], "ok", "{json}");
    // Copies beside the data folder: nobody can have them open.
    let beside = folder.path().join("copies");
    fs::create_dir(&beside).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = beside.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let whole = fs::read(&log).unwrap();
    let mut newer = whole.clone();
    newer[8] = 9;
    let mut broken = whole.clone();
    let at = find(&broken, b"needle 3").unwrap();
    broken[at] ^= 1;
    for (what, path, code, told) in [
        ("wal", put("a.wal", &whole), 0, "1 commit"),
        ("wal", put("b.wal", &broken), 1, "damage: "),
        ("wal", put("c.wal", &whole[..8192]), 1, "cut off"),
        ("wal", put("d.wal", &whole[..100]), 2, "its first block alone has 4096"),
        ("wal", put("e.wal", b""), 2, "is empty"),
        ("wal", put("f.wal", &newer), 2, "format version 9, this program reads 1"),
        ("wal", put("notes.txt", b"shopping list"), 2, "is not a log file"),
        ("wal", beside.join("nothing"), 2, "does not exist"),
        ("segment", put("g.segment", &whole), 2, "use `pieskieo inspect wal`"),
        ("segment", beside.clone(), 2, "holds no file of this kind"),
        ("manifest", put("h", &whole), 2, "is a log file, not a manifest"),
        ("layout", beside.clone(), 2, "is no data folder"),
        ("layout", beside.join("a.wal"), 2, "is a file, not a data folder"),
    ] {
        let Output { out, err, code: found } = inspect(what, &path);
        let all = format!("{out}{err}");
        assert!(found == Some(code) && all.contains(told), "{what} {path:?}: {found:?}: {all}");
    }
    let wrong = Program::new(&["inspect", "page", &shown(&log)]).run();
    assert!(wrong.code == Some(2) && wrong.err.contains("possible values"), "{}", wrong.err);
}

#[test]
fn a_request_in_flight_at_sigterm_is_answered_and_kept() {
    let (folder, mut server) = server();
    server.sql(&["-c", "CREATE TABLE t (id BIGINT PRIMARY KEY)"]).done();
    let lines: Vec<String> = (0..4_000).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    let body = lines.concat();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "POST /v1/tables/t/records HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n", "the server is at it");
    stream.write_all(&body.as_bytes()[..body.len() / 2]).unwrap();
    server.terminate();
    // New visitors are refused as soon as the server has understood.
    while TcpStream::connect(server.address()).is_ok() {}
    stream.write_all(&body.as_bytes()[body.len() / 2..]).unwrap();
    let mut answer = String::new();
    reader.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 200 OK") && answer.contains("\"inserted\":4000"), "{answer}");
    assert_eq!(server.wait(), Some(0));
    let server = Server::start(&folder.path().join("data"), &[]).unwrap();
    let count = server.sql(&["--json", "-c", "SELECT COUNT(*) FROM t"]).done().out;
    assert!(count.contains("[[4000]]"), "{count}");
    server.stop();
}

#[test]
fn an_address_and_a_folder_belong_to_one_server() {
    let (folder, server) = server();
    let address = server.address().to_string();
    let other = folder.path().join("other");
    let second = Server::start(&other, &["--listen", &address]).map(drop).unwrap_err();
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains(&format!("cannot listen on {address}")), "{}", second.err);
    let data = folder.path().join("data");
    let second = Server::start(&data, &[]).map(drop).unwrap_err();
    assert_eq!(second.code, Some(1));
    let shown = data.display().to_string();
    assert!(second.err.contains(&shown) && second.err.contains("in use"), "{}", second.err);
    server.sql(&["-c", "SELECT 1"]).done();
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = stranger.local_addr().unwrap().to_string();
    let third = Server::start(&other, &["--listen", &taken]).map(drop).unwrap_err();
    assert!(third.err.contains(&format!("cannot listen on {taken}")), "{}", third.err);
    server.stop();
    // Connections of the server before are still in TIME_WAIT: they must not be in the way.
    let again = Server::start(&other, &["--listen", &address]).unwrap();
    assert_eq!(again.address().to_string(), address);
    again.stop();
}

/// Returns the log file that holds these bytes.
fn log_with(data: &Path, needle: &[u8]) -> PathBuf {
    let logs = fs::read_dir(data.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &PathBuf| find(&fs::read(path).unwrap(), needle).is_some();
    logs.filter(|path| path.extension().is_some_and(|ending| ending == "wal"))
        .find(holds)
        .expect("a log holds what was written")
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[test]
fn a_damaged_log_is_refused_by_file_and_place() {
    let (folder, server) = server();
    fill(&server);
    server.stop();
    let data = folder.path().join("data");
    let path = log_with(&data, b"needle 3");
    let mut bytes = fs::read(&path).unwrap();
    let at = find(&bytes, b"needle 3").unwrap();
    bytes[at + 2] ^= 0x10;
    fs::write(&path, &bytes).unwrap();
    let file = path.file_name().unwrap().to_str().unwrap();
    let place = |text: &str| {
        let start = text.find("the log is damaged: file ").unwrap_or_else(|| panic!("{text}"));
        text[start..].lines().next().unwrap().to_owned()
    };
    let refused = Server::start(&data, &[]).map(drop).unwrap_err();
    assert_eq!(refused.code, Some(1));
    let told = place(&refused.err);
    assert!(told.contains(&format!("\"{file}\"")) && told.contains("LSN "), "{told}");
    let verified = Program::new(&["verify", "--data", &data.display().to_string()]).run();
    assert_eq!(verified.code, Some(1), "{}", verified.out);
    assert_eq!(place(&verified.out), told, "both say the same");
    assert!(verified.err.contains("1 fault in "), "{}", verified.err);
    assert!(fs::read(&path).unwrap() == bytes, "nothing was repaired or cut");
}

#[test]
fn a_damaged_history_is_named_and_can_be_forgotten() {
    let (folder, server) = server();
    fill(&server);
    server.stop();
    let data = folder.path().join("data");
    let shown = data.display().to_string();
    let verify = || Program::new(&["verify", "--data", &shown]).run();
    assert!(verify().out.contains("the past can be read from commit "));
    let files = fs::read_dir(data.join("history")).unwrap().map(|entry| entry.unwrap().path());
    let path = files.last().expect("there is a past");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096 + 20] ^= 0x10;
    fs::write(&path, &bytes).unwrap();
    let refused = Server::start(&data, &[]).map(drop).unwrap_err();
    let verified = verify();
    assert_eq!((refused.code, verified.code), (Some(1), Some(1)));
    let file = path.file_name().unwrap().to_str().unwrap();
    for told in [&refused.err, &verified.out] {
        for part in ["history: ", file, "retention=0"] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
    let server = Server::start(&data, &["--set", "retention=0"]).unwrap();
    server.stop();
    assert_eq!(verify().code, Some(0));
    Server::start(&data, &[]).unwrap().stop();
}

#[test]
fn too_little_locked_memory_is_named_with_its_remedy() {
    let folder = Folder::made();
    let data = folder.path().join("data").display().to_string();
    let refused =
        Program::limited(64, &["serve", "--data", &data, "--listen", "127.0.0.1:0"]).run();
    let Output { code, err, .. } = &refused;
    assert_eq!(*code, Some(1), "{err}");
    assert!(err.contains("locked memory is 65536 bytes"), "the cause: {err}");
    assert!(err.contains("ulimit -l") && err.contains("LimitMEMLOCK"), "the remedy: {err}");
}

#[test]
fn the_demo_answers_its_five_model_question() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cargo = std::process::Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["metadata", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .output();
    if !cargo.is_ok_and(|told| told.status.success()) {
        eprintln!("SKIPPED: `cargo metadata --offline` does not work here");
        return;
    }
    let workspace = root.display().to_string();
    let demo = ["demo", "--once", "--listen", "127.0.0.1:0", "--workspace", &workspace];
    let told = Program::new(&demo).done().out;
    for part in ["packages are rows", "all five models", "-- Its plan:"] {
        assert!(told.contains(part), "{part:?} is missing in {told}");
    }
}
