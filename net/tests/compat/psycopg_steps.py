"""Which steps of psycopg 3 work?"""

import datetime
import decimal
import sys
import threading
import uuid

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from steps import Steps

HOST, PORT = sys.argv[1], int(sys.argv[2])
step = Steps("psycopg", psycopg.__version__)


def connect(**more):
    return psycopg.connect(host=HOST, port=PORT, user="pieskieo", dbname="pieskieo", **more)


def prepare():
    with connect(autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS psycopg_t")
        connection.execute("CREATE TABLE psycopg_t (id INT PRIMARY KEY, a TEXT, n NUMERIC(9, 2))")


def run(of):
    prepare()
    with connect() as connection:
        of(connection)


def equal(given, expected):
    assert given == expected, f"{given!r} instead of {expected!r}"


@step("a query with parameters")
def _(connection):
    equal(connection.execute("SELECT %s::int + 1, %s", (1, "x")).fetchone(), (2, "x"))


@step("insert, `RETURNING`, `rowcount`")
def _(connection):
    cursor = connection.execute("INSERT INTO psycopg_t VALUES (%s, %s, %s) RETURNING id", (1, "x", 2))
    equal((cursor.fetchone(), cursor.rowcount), ((1,), 1))


@step("`executemany`")
def _(connection):
    rows = [(n, f"x{n}", n) for n in range(100)]
    connection.cursor().executemany("INSERT INTO psycopg_t VALUES (%s, %s, %s)", rows)
    connection.commit()
    equal(connection.execute("SELECT count(*) FROM psycopg_t").fetchone(), (100,))


@step("types both ways, as text")
def _(connection):
    types(connection, False)


@step("types both ways, binary")
def _(connection):
    types(connection, True)


def types(connection, binary):
    values = [
        True, 7, 2**40, 0.5, decimal.Decimal("-12.340"), "é'\\", b"\x00\xff",
        datetime.date(2024, 2, 29), datetime.time(12, 34, 56, 789), datetime.timedelta(days=3, seconds=4),
        datetime.datetime(1999, 12, 31, 23, 59), uuid.uuid4(), [1, None, 3],
        datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
    ]
    for value in values:
        placeholder = "%b" if binary else "%t"
        cursor = connection.cursor(binary=binary)
        given = cursor.execute(f"SELECT {placeholder}", (value,)).fetchone()[0]
        equal(given, value)
    given = connection.cursor(binary=binary).execute("SELECT %s", (Jsonb({"a": [1]}),)).fetchone()
    equal(given, ({"a": [1]},))


@step("rows as dictionaries, names of columns")
def _(connection):
    cursor = connection.cursor(row_factory=dict_row).execute("SELECT 1 AS a, 'x' AS b")
    equal(cursor.fetchone(), {"a": 1, "b": "x"})


@step("statements composed with `sql.Identifier`")
def _(connection):
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("psycopg_t"))
    equal(connection.execute(query).fetchone(), (0,))


@step("prepared statements")
def _(connection):
    for n in range(10):
        given = connection.execute("SELECT %s::int", (n,), prepare=True).fetchone()
        equal(given, (n,))


@step("rolling back, savepoints with `transaction()`")
def _(connection):
    try:
        with connection.transaction():
            connection.execute("INSERT INTO psycopg_t VALUES (1)")
            with connection.transaction():
                connection.execute("INSERT INTO psycopg_t VALUES (2)")
                raise psycopg.Rollback()
            raise RuntimeError("it goes on")
    except RuntimeError:
        pass
    with connection.transaction():
        connection.execute("INSERT INTO psycopg_t VALUES (3)")
    equal(connection.execute("SELECT id FROM psycopg_t").fetchall(), [(3,)])


@step("errors by their class")
def _(connection):
    connection.execute("INSERT INTO psycopg_t VALUES (1)")
    connection.commit()
    try:
        with connection.transaction():
            connection.execute("INSERT INTO psycopg_t VALUES (1)")
    except psycopg.errors.UniqueViolation:
        return
    raise AssertionError("no error")


@step("pipelines")
def _(connection):
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", (n,)) for n in range(20)]
        equal([cursor.fetchone()[0] for cursor in cursors], list(range(20)))


@step("cursors with a name")
def _(connection):
    with connection.cursor("c") as cursor:
        cursor.itersize = 10
        cursor.execute("SELECT s FROM generate_series(1, %s) AS g (s)", (35,))
        equal(cursor.fetchmany(3), [(1,), (2,), (3,)])
        equal([row[0] for row in cursor], list(range(4, 36)))


@step("cursors with a name, binary")
def _(connection):
    with connection.cursor("c", binary=True) as cursor:
        equal(cursor.execute("SELECT 1::int AS a, 'x' AS b").fetchall(), [(1, "x")])


@step("a cursor with a name that goes back")
def _(connection):
    with connection.cursor("c", scrollable=True) as cursor:
        cursor.execute("SELECT s FROM generate_series(1, 9) AS g (s)").fetchall()
        cursor.scroll(0, mode="absolute")
        equal(cursor.fetchone(), (1,))


@step("`COPY` of text both ways")
def _(connection):
    with connection.cursor().copy("COPY psycopg_t FROM STDIN") as copy:
        copy.write_row((1, "a\tb", None))
    with connection.cursor().copy("COPY psycopg_t TO STDOUT") as copy:
        equal(list(copy.rows()), [("1", "a\tb", None)])


@step("`COPY` in binary form both ways, with `set_types`")
def _(connection):
    rows = [(1, "a", decimal.Decimal("1.50")), (2, None, None)]
    with connection.cursor().copy("COPY psycopg_t FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["int4", "text", "numeric"])
        for row in rows:
            copy.write_row(row)
    with connection.cursor().copy("COPY psycopg_t TO STDOUT (FORMAT BINARY)") as copy:
        copy.set_types(["int4", "text", "numeric"])
        equal(list(copy.rows()), rows)


@step("`COPY` in binary form of no rows")
def _(connection):
    with connection.cursor().copy("COPY psycopg_t TO STDOUT (FORMAT BINARY)") as copy:
        copy.set_types(["int4", "text", "numeric"])
        equal(list(copy.rows()), [])


@step("`notifies()`")
def _(connection):
    connection.autocommit = True
    connection.execute("LISTEN psycopg_c")
    with connect(autocommit=True) as other:
        other.execute("SELECT pg_notify('psycopg_c', %s)", ("x",))
        sender = other.info.backend_pid
    heard = list(connection.notifies(timeout=5, stop_after=1))
    equal([(one.channel, one.payload, one.pid) for one in heard], [("psycopg_c", "x", sender)])


@step("advisory locks")
def _(connection):
    equal(connection.execute("SELECT pg_try_advisory_lock(%s)", (2**40,)).fetchone(), (True,))
    with connect() as other:
        equal(other.execute("SELECT pg_try_advisory_lock(%s)", (2**40,)).fetchone(), (False,))


@step("cancelling")
def _(connection):
    connection.execute("SELECT pg_advisory_lock(7)")
    with connect() as other:
        threading.Timer(0.3, other.cancel).start()
        try:
            other.execute("SELECT pg_advisory_lock(7)")
        except psycopg.errors.QueryCanceled:
            return
    raise AssertionError("no error")


@step("a table that is created in a transaction")
def _(connection):
    connection.execute("DROP TABLE IF EXISTS psycopg_u")
    connection.execute("CREATE TABLE psycopg_u (a INT)")
    connection.rollback()


step.report(run)
