#!/usr/bin/env bash
# Prints the figures of METHOD.md: builds in release mode, starts a server on a fresh folder and
# drives every workload against it; restarts it on what was loaded; kills it. Server and load share
# the machine; run nothing beside it.
#
#   SECONDS_EACH=10   seconds of each workload
#   CYCLES=200        kill cycles
#   SEEDS=2000        seeds of the simulator; a night is SEEDS=50000 with PARTS=sim
#   PARTS="load restart transactions large tpch crash sim quality"
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${SECONDS_EACH:-10}"
parts=" ${PARTS:-load restart transactions large tpch crash sim quality} "
target="$(cargo metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')"
port="${PORT:-8411}"
wants() { [[ "$parts" == *" $1 "* ]]; }

if [ "$parts" != " sim " ]; then
    cargo build --release -p pieskieo -p pieskieo-bench --bins
fi
work="$(mktemp -d)"
server=
start() {
    "$target/release/pieskieo" serve --data "$work/data" --listen "127.0.0.1:$port" \
        >"$work/server.log" 2>&1 &
    server=$!
    local from until
    from="$(date +%s%N)"
    for _ in $(seq 6000); do
        if curl -fs "http://127.0.0.1:$port/readyz" >/dev/null 2>&1; then
            until="$(date +%s%N)"
            echo "ready after $(((until - from) / 1000000)) ms"
            return
        fi
        sleep 0.01
    done
    echo "the server did not become ready" >&2
    exit 1
}
stop() {
    [ -z "$server" ] && return
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}
# Compares every index with its records, in the folder of a server that has stopped.
verify() {
    "$target/release/pieskieo" verify --deep --data "$work/data" | tail -1
}
trap 'stop; rm -rf "$work"' EXIT
load() {
    "$target/release/pieskieo-bench" load --address "127.0.0.1:$port" --seconds "$seconds" "$@"
}
# Prints the answer of a statement and the time it took.
ask() {
    curl -sS "http://127.0.0.1:$port/v1/query" -w '  %{time_total} s\n' \
        -d "{\"pql\": \"$1\", \"timeout_ms\": 600000}"
}
# Prints a closed loop, then an open loop at half of the rate it reached.
saturate() {
    local rate
    load "$@" --json >"$work/closed.json"
    rate="$(sed -E 's/.*"per_second": ?([0-9]+).*/\1/' "$work/closed.json")"
    load "$@"
    load "$@" --rate "$((rate / 2))"
}

echo "== $(nproc) cores, $(uname -r), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
if wants load; then
    start
    saturate --workload point-write --connections 64
    load --workload point-write --connections 1
    saturate --workload point-read --connections 64
    saturate --workload point-read --connections 64 --in-flight 4
    load --workload mixed --connections 64 --keep
    load --workload scan --connections 4 --keep
    load --workload text --connections 16
    load --workload traverse --connections 16
    load --workload vector --connections 16 --records 20000
    stop
    rm -rf "$work/data"
fi
if wants restart; then
    start
    load --workload bulk --connections 4
    stop
    start
    curl -fs "http://127.0.0.1:$port/metrics" | grep '^pieskieo_shard_replay'
    stop
    rm -rf "$work/data"
fi
if wants transactions; then
    start
    load --workload transfer --connections 16 --records 1000
    for _ in 1 2 3; do
        load --workload pair-near --connections 64
        load --workload pair-far --connections 64
    done
    for rate in "" "" "" "--write-rate 3000" "--write-rate 6000"; do
        # One word or two.
        # shellcheck disable=SC2086
        "$target/release/pieskieo-bench" storm --address "127.0.0.1:$port" --seconds "$seconds" $rate
    done
    load --workload point-write --connections 64
    stop
    verify
    "$target/release/pieskieo-bench" commits --folder "$work" --seconds "$seconds"
    for sync in calibrated with-write after-write; do
        "$target/release/pieskieo-bench" wal --folder "$work" --seconds "$seconds" --sync "$sync"
    done
    rm -rf "$work/data"
fi
if wants large; then
    # 10 million rows of 200 bytes within 1 GiB. Reads once more when the merges of the load have
    # ended; then vectors, and a start on all of it. The column is scanned with memory enough.
    rows=(--records 10000000 --text-bytes 180 --connections 64)
    export PIESKIEO_MEMORY=1GiB
    start
    load --workload point-read "${rows[@]}"
    sleep 10
    load --workload point-read "${rows[@]}" --keep
    load --workload point-read "${rows[@]}" --keep --in-flight 4
    # 2 GB are sorted and grouped in the 256 MiB that queries have.
    # The planner leaves out a sort nobody sees; numbers of rows are seen.
    ask "SELECT MAX(n) FROM (SELECT ROW_NUMBER() OVER (ORDER BY name, id) AS n FROM bench_row) AS s"
    ask "SELECT COUNT(*) FROM (SELECT name, COUNT(*) FROM bench_row GROUP BY name) AS grouped"
    curl -fs "http://127.0.0.1:$port/metrics" | grep '^pieskieo_spilled_bytes_total'
    grep VmHWM "/proc/$server/status"
    load --workload vector --records 100000 --dimension 384 --connections 16
    stop
    verify
    du -sh "$work/data/segments" "$work/data/log"
    start
    stop
    PIESKIEO_MEMORY=12GiB start
    load --workload sum --records 10000000 --connections 1 --keep
    load --workload sum --records 10000000 --connections 1 --keep
    stop
    unset PIESKIEO_MEMORY
    rm -rf "$work/data"
fi
if wants tpch; then
    # The rivals on the same rows: `rivals/tpch.py`, when Python has them.
    start
    "$target/release/pieskieo-bench" tpch --address "127.0.0.1:$port" --scale 1
    stop
    if python3 -c 'import duckdb, datafusion' 2>/dev/null; then
        "$target/release/pieskieo-bench" tpch --scale 1 --files "$work/tpch"
        python3 bench/rivals/tpch.py "$work/tpch"
    fi
    rm -rf "$work/data" "$work/tpch"
fi
if wants crash; then
    "$target/release/crash" --server "$target/release/pieskieo" --cycles "${CYCLES:-200}"
fi
if wants sim; then
    # Unoptimised, with all assertions; with the planner's package, whose features the tests of the
    # whole workspace share.
    PIESKIEO_SIM_SEEDS="${SEEDS:-2000}" cargo test -p pieskieo-query -p pieskieo-shards --test sim
fi
if wants quality && [ -d ../shared/data/cranfield ]; then
    "$target/release/quality" --data ../shared/data/cranfield
fi
