#!/bin/bash
# The entry point of the stand-in for postgres:16: makes a database on the first start, then becomes the server.
#
# Environment, as the official image documents it; NAME_FILE names a file that holds the value (a secret):
#   POSTGRES_PASSWORD           needed, unless POSTGRES_HOST_AUTH_METHOD=trust
#   POSTGRES_USER               the superuser's name (postgres)
#   POSTGRES_DB                 a database to make (named as the user)
#   POSTGRES_INITDB_ARGS        more words for initdb(1)
#   POSTGRES_INITDB_WALDIR      another directory for the write-ahead log
#   POSTGRES_HOST_AUTH_METHOD   for connections from outside (scram-sha-256)
#   PGDATA                      where the database is (/var/lib/postgresql/data)
# /docker-entrypoint-initdb.d   *.sh, *.sql, *.sql.gz, *.sql.xz and *.sql.zst run once, in the order of their names
#
# By hand  initdb -D data; postgres -D data
# Left out a --user that /etc/passwd does not know
set -Eeuo pipefail
scripts=/docker-entrypoint-initdb.d
settings="POSTGRES_PASSWORD POSTGRES_USER POSTGRES_DB POSTGRES_INITDB_ARGS"

fail() { printf 'Error: %s\n' "$@" >&2; exit 1; }

# Each setting out of its file, where a file is named.
read_settings() {
    local name file
    for name in $settings; do
        file=${name}_FILE
        [ -z "${!name:-}" ] || [ -z "${!file:-}" ] || fail "both $name and $file are set; only one of them may be"
        [ -z "${!file:-}" ] || printf -v "$name" %s "$(<"${!file}")"
        unset "$file"
    done
    : "${POSTGRES_USER:=postgres}" "${POSTGRES_PASSWORD:=}" "${POSTGRES_INITDB_ARGS:=}"
    : "${POSTGRES_DB:=$POSTGRES_USER}" "${POSTGRES_HOST_AUTH_METHOD:=}"
    export $settings POSTGRES_HOST_AUTH_METHOD
}

# Made by root, owned by the user the server runs as; a volume comes with whatever owner it has.
make_directories() {
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 00700 "$PGDATA"
    chmod 03775 /var/run/postgresql || true
    [ -z "${POSTGRES_INITDB_WALDIR:-}" ] || { mkdir -p "$POSTGRES_INITDB_WALDIR"; chmod 700 "$POSTGRES_INITDB_WALDIR"; }
    [ "$(id -u)" != 0 ] || chown_directories
}

chown_directories() {
    find "$PGDATA" ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"} /var/run/postgresql \
        \! -user postgres -exec chown postgres {} +
}

check_password() {
    [ -n "$POSTGRES_PASSWORD" ] || [ "$POSTGRES_HOST_AUTH_METHOD" = trust ] || fail \
        "the database is new and the superuser has no password." \
        "  Set POSTGRES_PASSWORD: minirun run -e POSTGRES_PASSWORD=secret ..." \
        "  POSTGRES_HOST_AUTH_METHOD=trust lets everybody in without one; do not use it where others can connect."
}

# The password goes in by a descriptor: words of a command are seen by everybody (ps).
make_database() {
    local words=(--username="$POSTGRES_USER")
    [ -z "${POSTGRES_INITDB_WALDIR:-}" ] || words+=(--waldir="$POSTGRES_INITDB_WALDIR")
    [ -z "$POSTGRES_PASSWORD" ] || words+=(--pwfile=/dev/fd/3)
    eval 'initdb "${words[@]}" '"$POSTGRES_INITDB_ARGS"' "$PGDATA"' 3<<<"$POSTGRES_PASSWORD"
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

# Nobody outside may connect before the scripts have run: the first server, which has the words of the real one,
# listens on its socket only.
start_for_scripts() {
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -w -o "$(printf '%q ' "$@" -c listen_addresses=)" start
}
stop_after_scripts() { PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop; }

sql() { PGHOST= PGHOSTADDR= psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" "$@"; }

create_database() {
    [ "$POSTGRES_DB" != postgres ] || return 0
    sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
}

run_script() {
    echo "$0: running $1"
    case $1 in
    *.sh) if [ -x "$1" ]; then "$1"; else . "$1"; fi ;;
    *.sql) sql --dbname "$POSTGRES_DB" -f "$1" ;;
    *.sql.gz) gunzip -c "$1" | sql --dbname "$POSTGRES_DB" ;;
    *.sql.xz) xzcat "$1" | sql --dbname "$POSTGRES_DB" ;;
    *.sql.zst) zstd -dc "$1" | sql --dbname "$POSTGRES_DB" ;;
    *) echo "$0: ignoring $1" ;;
    esac
}

first_start() {
    local script
    check_password
    make_database
    export PGPASSWORD=$POSTGRES_PASSWORD
    start_for_scripts "$@"
    create_database
    for script in "$scripts"/*; do
        [ ! -e "$script" ] || run_script "$script"
    done
    stop_after_scripts
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

# These words ask the program for a text; they start no server.
asks_only() {
    local word
    for word; do
        case $word in -'?' | --help | --describe-config | -V | --version) return 0 ;; esac
    done
    return 1
}

case ${1:-postgres} in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" = postgres ] && ! asks_only "$@"; then
    make_directories
    # Not gosu in a child: the server has to be the container's first process, which the stop signal reaches.
    [ "$(id -u)" != 0 ] || exec gosu postgres "$BASH_SOURCE" "$@"
    read_settings
    if [ -s "$PGDATA/PG_VERSION" ]; then
        printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
    else
        first_start "${@:2}"
    fi
fi
exec "$@"
