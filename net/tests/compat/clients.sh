#!/bin/sh
# Which steps of Python's PostgreSQL clients work?
#
#   net/tests/compat/clients.sh HOST PORT [write]
#
# Installs the clients of requirements.txt beside nothing else, runs the steps of psycopg, asyncpg and
# SQLAlchemy and migrations of Alembic against a server, and prints a line for each that fails. With "write" the tables of
# net/COMPATIBILITY.md are made anew. The exit code is the count of failed steps; 0 with the word
# "skipped" where there is no Python.
set -u

[ $# -ge 2 ] || { echo "usage: $0 HOST PORT [write]" >&2; exit 64; }
host=$1 port=$2 mode=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
page=$here/../../COMPATIBILITY.md
place=${TMPDIR:-/tmp}/pieskieo-compat-clients

if ! python3 -m venv "$place" >/dev/null 2>&1; then
    echo "skipped: python3 makes no environments"
    exit 0
fi
"$place/bin/pip" -q install --disable-pip-version-check -r "$here/requirements.txt" || exit 70

failed=0
for suite in psycopg asyncpg sqlalchemy alembic; do
    told=$("$place/bin/python" "$here/${suite}_steps.py" "$host" "$port")
    count=$?
    failed=$((failed + count))
    printf '%s\n' "$told" | grep -v '^| .* | works |$' | grep '^|' | tail -n +3
    printf '%s\n' "$told" | head -n 1
    if [ "$mode" = write ]; then
        made=$(mktemp)
        sed "/<!-- $suite -->/q" "$page" >"$made"
        printf '%s\n' "$told" >>"$made"
        sed -n "/<!-- end of $suite -->/,\$p" "$page" >>"$made"
        cat "$made" >"$page"
        rm -f "$made"
    fi
done
exit "$failed"
