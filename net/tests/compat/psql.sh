#!/bin/sh
# Which of psql's commands about the catalog are answered?
#
#   net/tests/compat/psql.sh HOST PORT [write]
#
# Makes a few objects in an empty database, runs every command on its own, and prints a line for each
# that is refused. With "write" the table of net/COMPATIBILITY.md is made anew. The exit code is the
# count of refused commands; 0 with the word "skipped" where psql is missing.
set -u

if ! command -v psql >/dev/null 2>&1; then
    echo "skipped: psql is not installed"
    exit 0
fi
[ $# -ge 2 ] || { echo "usage: $0 HOST PORT [write]" >&2; exit 64; }
host=$1 port=$2 mode=${3:-}
page=$(dirname "$0")/../../COMPATIBILITY.md
ask() { psql -X -q -w -h "$host" -p "$port" -U pieskieo -v ON_ERROR_STOP=1 "$@" 2>&1; }

ask -c "CREATE TABLE compat_t (id INT PRIMARY KEY, a TEXT NOT NULL DEFAULT 'x',
            b INT UNIQUE CHECK (b > 0), c TIMESTAMPTZ, v VECTOR(3))" \
    -c "CREATE INDEX compat_a ON compat_t (a)" \
    -c "CREATE INDEX compat_i ON compat_t USING hnsw (v vector_cosine_ops)" \
    -c "CREATE TABLE compat_u (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            t INT REFERENCES compat_t, n SERIAL)" \
    -c "CREATE VIEW compat_v AS SELECT id, a FROM compat_t" \
    -c "CREATE MATERIALIZED VIEW compat_m AS SELECT id FROM compat_t" \
    -c "CREATE SEQUENCE compat_s" \
    -c "COMMENT ON TABLE compat_t IS 'things'" || exit 70

passed=0 failed=0 rows=
while IFS= read -r command; do
    if told=$(ask -c "$command"); then
        passed=$((passed + 1)) result=answered
    else
        failed=$((failed + 1)) result="refused: $(printf '%s' "$told" | head -n 1)"
        echo "$command $result"
    fi
    rows="$rows| \`$command\` | $result |
"
done <<'COMMANDS'
\d
\d+
\d compat_t
\d+ compat_t
\d compat_u
\d compat_v
\d+ compat_v
\d compat_m
\d compat_s
\d compat_t_pkey
\d pg_class
\da
\dA
\dAc
\db
\dc
\dC
\dconfig
\dd
\dD
\ddp
\dE
\des
\det
\deu
\dew
\df
\dF
\dg
\di
\di+
\dL
\dm
\dn
\dn+
\do
\dO
\dp
\dp compat_t
\dP
\drds
\dRp
\dRs
\ds
\dS compat_t
\dt
\dt+
\dT
\dT+
\du
\dv
\dv+
\dx
\dX
\dy
\l
\l+
\sv compat_v
\z
COMMANDS

ask -c "DROP MATERIALIZED VIEW compat_m" -c "DROP VIEW compat_v" -c "DROP SEQUENCE compat_s" \
    -c "DROP TABLE compat_u" -c "DROP TABLE compat_t" || exit 70
echo "psql: $passed answered, $failed refused"

if [ "$mode" = write ]; then
    made=$(mktemp)
    sed '/<!-- psql -->/q' "$page" >"$made"
    printf '%s answered, %s refused.\n\n| command | |\n| --- | --- |\n%s' \
        "$passed" "$failed" "$rows" >>"$made"
    sed -n '/<!-- end of psql -->/,$p' "$page" >>"$made"
    cat "$made" >"$page"
    rm -f "$made"
fi
exit "$failed"
