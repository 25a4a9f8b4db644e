#!/bin/sh
# The bucket on a MinIO server, and a user who may read and write in it alone. Runs at every start; what stands stays.
set -eu
mc alias set store http://minio:9000 "$STORE_ADMIN_KEY" "$STORE_ADMIN_SECRET"
mc mb --ignore-existing store/meshmill
mc admin user add store "$STORE_KEY" "$STORE_SECRET"
mc admin policy create store meshmill "$(dirname "$0")/policy.json"
# Attaching what is attached is an error of mc's.
mc admin policy attach store meshmill --user "$STORE_KEY" ||
    mc admin user info store "$STORE_KEY" | grep -q 'PolicyName: meshmill'
