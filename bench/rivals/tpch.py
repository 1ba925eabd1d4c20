#!/usr/bin/env python3
"""How long do other engines take for TPC-H, and do they agree?

Loads the files of `pieskieo-bench tpch --files FOLDER` into DuckDB's own tables and into Parquet for
DataFusion, asks both the questions of `bench/src/tpch/queries` and prints the median of the warm times.

    pip install duckdb datafusion
    pieskieo-bench tpch --scale 1 --files /some/folder
    python3 bench/rivals/tpch.py /some/folder
"""

import argparse
import pathlib
import re
import statistics
import time

import datafusion
import duckdb

HERE = pathlib.Path(__file__).resolve().parent
QUERIES = HERE.parent / "src" / "tpch" / "queries"
TABLES = HERE.parent / "src" / "tpch" / "tables.rs"


def columns():
    """The columns of each table, as the loader of our own database declares them."""
    text = TABLES.read_text()
    tables = {}
    for name, body in re.findall(r'name: "(\w+)",\s+columns: &\[(.*?)\],\s+key', text, re.S):
        pairs = re.findall(r'\("(\w+)", ("?)([^")]+(?:\([^)]*\))?)"?\)', body)
        tables[name] = [(column, "DECIMAL(15, 2)" if kind == "MONEY" else kind.strip())
                        for column, _, kind in pairs]
    return tables


def questions(scale, only):
    for path in sorted(QUERIES.glob("q*.sql")):
        number = int(path.stem[1:])
        if not only or number in only:
            yield number, path.read_text().replace("{fraction}", f"{0.0001 / scale:.12f}")


def measure(run, repeat):
    """Median of the times but the first, ms, and the rows."""
    times = []
    for _ in range(repeat + 1):
        began = time.perf_counter()
        rows = run()
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times[1:] or times), rows


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("folder", type=pathlib.Path)
    flags.add_argument("--scale", type=float, default=1.0)
    flags.add_argument("--threads", type=int, default=2)
    flags.add_argument("--repeat", type=int, default=3)
    flags.add_argument("--only", type=lambda text: [int(part) for part in text.split(",")], default=[])
    flags = flags.parse_args()

    duck = duckdb.connect(config={"threads": flags.threads})
    for table, pairs in columns().items():
        declared = ", ".join(f"{column} {kind}" for column, kind in pairs)
        duck.execute(f"CREATE TABLE {table} ({declared})")
        # A last, empty column: each value ends with a bar.
        shapes = ", ".join(f"'{column}': '{kind}'" for column, kind in pairs)
        source = flags.folder / f"{table}.tbl"
        duck.execute(f"INSERT INTO {table} SELECT * EXCLUDE (rest) FROM read_csv('{source}', "
                     f"delim='|', header=false, quote='', columns={{{shapes}, 'rest': 'VARCHAR'}})")
        parquet = flags.folder / f"{table}.parquet"
        if not parquet.exists():
            duck.execute(f"COPY {table} TO '{parquet}' (FORMAT parquet)")

    config = datafusion.SessionConfig().with_target_partitions(flags.threads)
    context = datafusion.SessionContext(config)
    for table in columns():
        context.register_parquet(table, str(flags.folder / f"{table}.parquet"))

    totals = [0.0, 0.0]
    print("      DuckDB    DataFusion on Parquet")
    for number, text in questions(flags.scale, flags.only):
        native, rows = measure(lambda: duck.execute(text).fetchall(), flags.repeat)
        parquet, batches = measure(lambda: context.sql(text).collect(), flags.repeat)
        same = len(rows) == sum(batch.num_rows for batch in batches)
        totals = [totals[0] + native, totals[1] + parquet]
        note = "" if same else "  they give different numbers of rows"
        print(f"{number:>2} {native:>9.1f} {parquet:>9.1f} ms{note}", flush=True)
    print(f"   {totals[0] / 1e3:>9.2f} {totals[1] / 1e3:>9.2f} s in all")


if __name__ == "__main__":
    main()
