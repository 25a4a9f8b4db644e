#!/bin/sh
# SeaweedFS as the store on one host: an administrator, a key that may read and write in the bucket `meshmill` alone and,
# where SOURCE_KEY and SOURCE_SECRET are set, one that may read in the bucket `photos` alone.
# The keys of the environment stand in a file that only this server reads; a quote or a backslash in one is escaped.
set -eu
umask 077
data=${DATA:-/data}
quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }
identity() { # name, key, secret, actions
    printf '{"name": "%s", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "actions": [%s]}' \
        "$1" "$(quoted "$2")" "$(quoted "$3")" "$4"
}
{
    echo '{"identities": ['
    identity admin "$STORE_ADMIN_KEY" "$STORE_ADMIN_SECRET" '"Admin", "Read", "Write", "List", "Tagging"'
    echo ,
    identity meshmill "$STORE_KEY" "$STORE_SECRET" '"Read:meshmill", "Write:meshmill", "List:meshmill", "Tagging:meshmill"'
    if [ -n "${SOURCE_KEY:-}" ]; then
        echo ,
        identity source "$SOURCE_KEY" "$SOURCE_SECRET" '"Read:photos", "List:photos"'
    fi
    echo ']}'
} >"$data/s3.json"
exec weed server -dir="$data" -ip=127.0.0.1 -ip.bind="${BIND:-0.0.0.0}" -s3 -s3.port="${PORT:-9000}" -s3.config="$data/s3.json" \
    -s3.allowDeleteBucketNotEmpty=false -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false \
    -volume.max="${VOLUMES:-0}" "$@"
