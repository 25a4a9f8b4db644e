#!/bin/sh
# SeaweedFS as the store on one host: an administrator, and a key that may read and write in the bucket `meshmill` alone.
# The keys of the environment stand in a file that only this server reads; a quote or a backslash in one is escaped.
set -eu
umask 077
data=${DATA:-/data}
quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }
cat >"$data/s3.json" <<END
{"identities": [
  {"name": "admin", "credentials": [{"accessKey": "$(quoted "$STORE_ADMIN_KEY")", "secretKey": "$(quoted "$STORE_ADMIN_SECRET")"}],
   "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
  {"name": "meshmill", "credentials": [{"accessKey": "$(quoted "$STORE_KEY")", "secretKey": "$(quoted "$STORE_SECRET")"}],
   "actions": ["Read:meshmill", "Write:meshmill", "List:meshmill", "Tagging:meshmill"]}
]}
END
exec weed server -dir="$data" -ip=127.0.0.1 -ip.bind="${BIND:-0.0.0.0}" -s3 -s3.port="${PORT:-9000}" -s3.config="$data/s3.json" \
    -s3.allowDeleteBucketNotEmpty=false -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false \
    -volume.max="${VOLUMES:-0}" "$@"
