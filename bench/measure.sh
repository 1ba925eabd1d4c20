#!/usr/bin/env bash
# Prints the figures of METHOD.md: builds in release mode, starts a server on a fresh folder and
# drives every workload against it. Server and load share the machine; run nothing beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${SECONDS_EACH:-10}"
target="${CARGO_TARGET_DIR:-target}"
cargo build --release -p pieskieo -p pieskieo-bench
data="$(mktemp -d)"
port="${PORT:-8411}"
"$target/release/pieskieo" serve --data "$data" --listen "127.0.0.1:$port" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$data"' EXIT
for _ in $(seq 100); do
    curl -fs "http://127.0.0.1:$port/readyz" >/dev/null 2>&1 && break
    sleep 0.1
done
load() { "$target/release/pieskieo-bench" load --address "127.0.0.1:$port" --seconds "$seconds" "$@"; }
load --workload point-write --connections 64
load --workload point-write --connections 1
load --workload point-read --connections 64
load --workload mixed --connections 64 --keep
load --workload scan --connections 4 --keep
load --workload bulk --connections 4
load --workload text --connections 16
load --workload traverse --connections 16
load --workload vector --connections 16 --records 20000
