#!/bin/sh
# How far does PostgreSQL's pgbench get?
#
#   net/tests/compat/pgbench.sh HOST PORT [write]
#
# Makes pgbench's tables, fills them and runs its scripts for two seconds each in every protocol mode.
# Prints a line for each step that fails. With "write" the table of net/COMPATIBILITY.md is made anew.
# The exit code is the count of failed steps; 0 with the word "skipped" where pgbench is missing.
set -u

if ! command -v pgbench >/dev/null 2>&1; then
    echo "skipped: pgbench is not installed"
    exit 0
fi
[ $# -ge 2 ] || { echo "usage: $0 HOST PORT [write]" >&2; exit 64; }
host=$1 port=$2 mode=${3:-}
page=$(dirname "$0")/../../COMPATIBILITY.md
bench() { pgbench -h "$host" -p "$port" -U pieskieo "$@" pieskieo 2>&1; }

works=0 failed=0 rows=
step() {
    says=$1
    shift
    if told=$(bench "$@"); then
        works=$((works + 1)) result=works
    else
        failed=$((failed + 1))
        result="fails: $(printf '%s' "$told" | grep -m 1 -i error | cut -c -160 | sed 's/|/\\|/g')"
        echo "$says $result"
    fi
    rows="$rows| $says | $result |
"
}

bench -i -I d >/dev/null
step 'tables (`-I dt`)' -i -I dt
step 'rows made by the client (`-I g`)' -i -I g
step 'rows made by the server (`-I G`)' -i -I G
step 'primary keys (`-I p`)' -i -I p
step 'foreign keys (`-I f`)' -i -I f
step '`VACUUM` (`-I v`)' -i -I v
# What its own steps cannot make is made in our words, so that the scripts have something to run on.
made=$(psql -X -q -w -h "$host" -p "$port" -U pieskieo -v ON_ERROR_STOP=1 \
    -c "DROP TABLE IF EXISTS pgbench_accounts, pgbench_tellers, pgbench_branches, pgbench_history" \
    -c "CREATE TABLE pgbench_branches (bid INT PRIMARY KEY, bbalance INT, filler TEXT)" \
    -c "CREATE TABLE pgbench_tellers (tid INT PRIMARY KEY, bid INT, tbalance INT, filler TEXT)" \
    -c "CREATE TABLE pgbench_accounts (aid INT PRIMARY KEY, bid INT, abalance INT, filler TEXT)" \
    -c "CREATE TABLE pgbench_history (tid INT, bid INT, aid INT, delta INT, mtime TIMESTAMP,
            filler TEXT)" \
    -c "INSERT INTO pgbench_branches VALUES (1, 0)" \
    -c "INSERT INTO pgbench_tellers SELECT t, 1, 0 FROM generate_series(1, 10) AS s (t)" \
    -c "INSERT INTO pgbench_accounts SELECT a, 1, 0 FROM generate_series(1, 100000) AS s (a)" \
    2>&1) || { echo "$made"; exit 70; }
for protocol in simple extended prepared; do
    for script in select-only simple-update tpcb-like; do
        step "$script, $protocol, 4 clients" -n -b "$script" -M "$protocol" -c 4 -T 2 --max-tries=100
    done
done
psql -X -q -w -h "$host" -p "$port" -U pieskieo -c "DROP TABLE IF EXISTS pgbench_accounts,
    pgbench_tellers, pgbench_branches, pgbench_history" >/dev/null 2>&1

title="$(pgbench --version | cut -d ' ' -f 1-3): $works steps work, $failed fail."
echo "$title"
if [ "$mode" = write ]; then
    made=$(mktemp)
    sed '/<!-- pgbench -->/q' "$page" >"$made"
    printf '%s\n\n| step | |\n| --- | --- |\n%s' "$title" "$rows" >>"$made"
    sed -n '/<!-- end of pgbench -->/,$p' "$page" >>"$made"
    cat "$made" >"$page"
    rm -f "$made"
fi
exit "$failed"
