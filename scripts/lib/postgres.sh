# A private PostgreSQL that lives as long as the script that sources this file.
#
#   . scripts/lib/postgres.sh
#   postgres_install              # binaries present afterwards, or says what is missing and returns 1
#   postgres_start durable|fast   # sets POSTGRES_URL; `fast` gives up durability, `durable` is as shipped
#   postgres_stop                 # idempotent; call it from the EXIT trap
#
# The server listens on a free loopback port only, with trust authentication: it holds nothing but test data and is
# deleted at the end. PostgreSQL refuses to run as root, so root hands it to the unix user `postgres`.

POSTGRES_URL=""
POSTGRES_DIR=""
POSTGRES_MIN_VERSION=15

# Prints the bin directory of the newest installed server that is new enough.
postgres_bin() {
    local dir version best="" best_version=0
    for dir in /usr/lib/postgresql/*/bin /usr/local/pgsql/bin "$(dirname "$(command -v initdb || echo /none/initdb)")"; do
        [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] || continue
        version=$("$dir/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
        if [ "$version" -ge "$POSTGRES_MIN_VERSION" ] && [ "$version" -gt "$best_version" ]; then
            best=$dir best_version=$version
        fi
    done
    [ -n "$best" ] && printf '%s\n' "$best"
}

postgres_install() {
    postgres_bin >/dev/null && return 0
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            sudo="sudo"
        else
            echo "PostgreSQL $POSTGRES_MIN_VERSION or newer is missing: install the package 'postgresql' (Debian, Ubuntu: sudo apt-get install postgresql)." >&2
            return 1
        fi
    fi
    if ! command -v apt-get >/dev/null; then
        echo "PostgreSQL $POSTGRES_MIN_VERSION or newer is missing, and this is no Debian: install it by hand." >&2
        return 1
    fi
    echo "installing PostgreSQL"
    # The package would start a cluster on port 5432 at once: nobody asked for one. A choice already made stays.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        $sudo mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    $sudo apt-get update -qq || true
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Options::=--force-confold postgresql >/dev/null || return 1
    postgres_bin >/dev/null || {
        echo "the installed PostgreSQL is older than $POSTGRES_MIN_VERSION" >&2
        return 1
    }
}

# Runs a command as the unix user that owns the server.
postgres_as_owner() {
    if [ "$(id -u)" -ne 0 ]; then
        "$@"
    elif command -v runuser >/dev/null; then
        runuser -u postgres -- "$@"
    else
        su postgres -s /bin/sh -c 'exec "$0" "$@"' -- "$@"
    fi
}

postgres_start() {
    local mode=${1:-fast} bin port attempt
    bin=$(postgres_bin) || {
        echo "PostgreSQL $POSTGRES_MIN_VERSION or newer is missing" >&2
        return 1
    }
    # A short path: a unix socket's may not exceed 107 bytes, whatever TMPDIR says.
    POSTGRES_DIR=$(mktemp -d "${POSTGRES_PLACE:-/tmp}/signet-postgres.XXXXXX") || return 1
    [ "$(id -u)" -ne 0 ] || chown postgres "$POSTGRES_DIR"

    local fast=()
    [ "$mode" = durable ] || fast=(-c fsync=off -c synchronous_commit=off -c full_page_writes=off)
    (
        # The owner may not be allowed to read the caller's directory; initdb and pg_ctl only warn, but noisily.
        cd "$POSTGRES_DIR" || exit 1
        # ICU-free and C-sorted: quick, and the same on every machine. UTF-8 as in production.
        postgres_as_owner "$bin/initdb" -D "$POSTGRES_DIR/data" -U signet -A trust -E UTF8 --no-locale --no-sync \
            >"$POSTGRES_DIR/initdb.log" 2>&1 || { cat "$POSTGRES_DIR/initdb.log" >&2; exit 1; }
    ) || { postgres_stop; return 1; }

    # A free port can be taken between choosing and binding, so a failed start tries another one.
    for attempt in 1 2 3 4 5; do
        port=$(postgres_free_port)
        if (
            cd "$POSTGRES_DIR" || exit 1
            # Its own session (setsid): Ctrl-C must reach the tests first, and PostgreSQL only through postgres_stop.
            postgres_as_owner setsid "$bin/pg_ctl" -D "$POSTGRES_DIR/data" -w -t 60 -s -l "$POSTGRES_DIR/server.log" \
                -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$POSTGRES_DIR -c max_connections=300 -c shared_buffers=256MB ${fast[*]}" \
                start >/dev/null 2>&1
        ); then
            POSTGRES_URL="postgres://signet@127.0.0.1:$port/postgres"
            return 0
        fi
        echo "PostgreSQL did not start on port $port (attempt $attempt)" >&2
    done
    cat "$POSTGRES_DIR/server.log" >&2
    postgres_stop
    return 1
}

postgres_stop() {
    [ -n "$POSTGRES_DIR" ] || return 0
    local dir=$POSTGRES_DIR bin
    POSTGRES_DIR="" POSTGRES_URL=""
    if bin=$(postgres_bin) && [ -e "$dir/data/postmaster.pid" ]; then
        # Clients may be gone or hung: `immediate` waits for nobody, and there is nothing to save.
        (cd "$dir" && postgres_as_owner "$bin/pg_ctl" -D "$dir/data" -m immediate -w -t 20 -s stop >/dev/null 2>&1)
    fi
    rm -rf "$dir"
}

# Prints a port of 127.0.0.1 on which nobody listens, outside the range the kernel hands to outgoing connections.
postgres_free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { printf '%s\n' "$port"; return; }
    done
}
