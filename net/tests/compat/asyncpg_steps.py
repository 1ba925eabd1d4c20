"""Which steps of asyncpg work?"""

import asyncio
import datetime
import decimal
import io
import sys
import uuid

import asyncpg

from steps import Steps

HOST, PORT = sys.argv[1], int(sys.argv[2])
step = Steps("asyncpg", asyncpg.__version__)
WHERE = {"host": HOST, "port": PORT, "user": "pieskieo", "database": "pieskieo"}


def run(of):
    async def whole():
        connection = await asyncpg.connect(**WHERE)
        await connection.execute("DROP TABLE IF EXISTS asyncpg_t")
        await connection.execute("CREATE TABLE asyncpg_t (id INT PRIMARY KEY, a TEXT, n NUMERIC(9, 2))")
        try:
            await of(connection)
        finally:
            await connection.close()

    asyncio.run(asyncio.wait_for(whole(), 60))


def equal(given, expected):
    assert given == expected, f"{given!r} instead of {expected!r}"


@step("`fetch`, `fetchrow`, `fetchval` with parameters")
async def _(connection):
    equal([tuple(row) for row in await connection.fetch("SELECT $1::int AS a, $2::text", 1, "x")], [(1, "x")])
    equal(dict(await connection.fetchrow("SELECT 1::int AS a")), {"a": 1})
    equal(await connection.fetchval("SELECT count(*) FROM asyncpg_t"), 0)


@step("`execute`, `executemany` and their tags")
async def _(connection):
    equal(await connection.execute("INSERT INTO asyncpg_t VALUES ($1, $2)", 1, "x"), "INSERT 0 1")
    await connection.executemany("INSERT INTO asyncpg_t VALUES ($1, $2)", [(n, "y") for n in range(2, 50)])
    equal(await connection.fetchval("SELECT count(*) FROM asyncpg_t"), 49)


@step("types both ways")
async def _(connection):
    for ty, value in [
        ("bool", True), ("int2", 7), ("int8", 2**40), ("float4", 0.5), ("float8", 0.1),
        ("numeric", decimal.Decimal("-12.340")), ("text", "é'\\"), ("bytea", b"\x00\xff"),
        ("date", datetime.date(2024, 2, 29)), ("time", datetime.time(12, 34, 56, 789)),
        ("timestamp", datetime.datetime(1999, 12, 31, 23, 59)),
        ("timestamptz", datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)),
        ("interval", datetime.timedelta(days=3, seconds=4)), ("jsonb", '{"a": [1]}'),
        ("int[]", [1, None, 3]), ("text[]", ["a", "b c"]),
    ]:
        given = await connection.fetchval(f"SELECT $1::{ty}", value)
        same = given.replace(" ", "") == value.replace(" ", "") if ty == "jsonb" else given == value
        assert same, f"{ty}: {given!r} instead of {value!r}"
    known = uuid.uuid4()
    equal(str(await connection.fetchval("SELECT $1::uuid", known)), str(known))


@step("prepared statements, their parameters and attributes")
async def _(connection):
    prepared = await connection.prepare("SELECT id, a FROM asyncpg_t WHERE id = $1")
    equal([one.name for one in prepared.get_parameters()], ["int4"])
    equal([one.name for one in prepared.get_attributes()], ["id", "a"])


@step("transactions and savepoints")
async def _(connection):
    try:
        async with connection.transaction():
            await connection.execute("INSERT INTO asyncpg_t VALUES (1)")
            raise RuntimeError("it goes on")
    except RuntimeError:
        pass
    async with connection.transaction(isolation="serializable"):
        await connection.execute("INSERT INTO asyncpg_t VALUES (2)")
        try:
            async with connection.transaction():
                await connection.execute("INSERT INTO asyncpg_t VALUES (2)")
                await connection.fetch("SELECT nothing")
        except asyncpg.PostgresError:
            pass
    equal([tuple(row) for row in await connection.fetch("SELECT id FROM asyncpg_t")], [(2,)])


@step("errors by their class")
async def _(connection):
    await connection.execute("INSERT INTO asyncpg_t VALUES (1)")
    try:
        await connection.execute("INSERT INTO asyncpg_t VALUES (1)")
    except asyncpg.UniqueViolationError:
        return
    raise AssertionError("no error")


@step("cursors, read in parts")
async def _(connection):
    async with connection.transaction():
        given = []
        async for row in connection.cursor("SELECT s FROM generate_series(1, 35) AS g (s)", prefetch=10):
            given.append(row["s"])
        equal(given, list(range(1, 36)))
        cursor = await connection.cursor("SELECT s FROM generate_series(1, 35) AS g (s)")
        await cursor.forward(10)
        equal([row["s"] for row in await cursor.fetch(2)], [11, 12])


@step("a pool, which resets its connections")
async def _(connection):
    async with asyncpg.create_pool(min_size=2, max_size=4, **WHERE) as pool:
        for _ in range(8):
            async with pool.acquire() as one:
                equal(await one.fetchval("SELECT 1::int"), 1)


@step("`copy_records_to_table`")
async def _(connection):
    rows = [(1, "a", decimal.Decimal("1.50")), (2, None, None)]
    equal(await connection.copy_records_to_table("asyncpg_t", records=rows), "COPY 2")
    given = await connection.fetch("SELECT * FROM asyncpg_t ORDER BY id")
    equal([tuple(row) for row in given], rows)


@step("`copy_records_to_table` of 10,000 rows and some columns")
async def _(connection):
    rows = [(n, "x" * (n % 50)) for n in range(10_000)]
    await connection.copy_records_to_table("asyncpg_t", records=rows, columns=["id", "a"])
    equal(await connection.fetchval("SELECT count(*) FROM asyncpg_t"), 10_000)


@step("`copy_to_table` and `copy_from_query` as CSV")
async def _(connection):
    await connection.copy_to_table("asyncpg_t", source=io.BytesIO(b"1,x,2\n"), format="csv")
    out = io.BytesIO()
    await connection.copy_from_query("SELECT id, a FROM asyncpg_t", output=out, format="csv")
    equal(out.getvalue(), b"1,x\n")


@step("`copy_from_table` in binary form")
async def _(connection):
    await connection.execute("INSERT INTO asyncpg_t VALUES (1)")
    out = io.BytesIO()
    equal(await connection.copy_from_table("asyncpg_t", output=out, format="binary"), "COPY 1")
    assert out.getvalue().startswith(b"PGCOPY\n\xff\r\n\0")


@step("`add_listener`")
async def _(connection):
    heard = asyncio.Queue()
    await connection.add_listener("asyncpg_c", lambda *told: heard.put_nowait(told[1:]))
    other = await asyncpg.connect(**WHERE)
    await other.execute("SELECT pg_notify('asyncpg_c', $1)", "x")
    sender = other.get_server_pid()
    await other.close()
    equal(await asyncio.wait_for(heard.get(), 5), (sender, "asyncpg_c", "x"))


@step("advisory locks")
async def _(connection):
    equal(await connection.fetchval("SELECT pg_try_advisory_lock($1)", 2**40), True)
    equal(await connection.fetchval("SELECT pg_advisory_unlock($1)", 2**40), True)


@step("cancelling by a timeout of the client")
async def _(connection):
    other = await asyncpg.connect(**WHERE)
    await other.execute("SELECT pg_advisory_lock(8)")
    try:
        await connection.fetch("SELECT pg_advisory_lock(8)", timeout=0.3)
    except asyncio.TimeoutError:
        equal(await connection.fetchval("SELECT 1::int"), 1)
        return
    finally:
        await other.close()
    raise AssertionError("no error")


@step("a composite value")
async def _(connection):
    equal(tuple(await connection.fetchval("SELECT ROW(1, 'x')")), (1, "x"))


step.report(run)
