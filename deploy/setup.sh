#!/bin/sh
# What a server holds before the first night, made or brought up to date; run it again after every upgrade.
# Needs: MESHMILL_DATABASE_URL of the tables' owner, keys that may make a bucket, PREFECT_API_URL, MESHMILL_DIRECTORY.
set -eu
kit=$(cd "$(dirname "$0")/.." && pwd)

meshmill db upgrade
meshmill store create

cd "$MESHMILL_DIRECTORY" # the deployments' flows are named from here
python "$kit/deploy/pools.py"
prefect --no-prompt deploy --all --prefect-file "$kit/prefect.yaml"
if [ -n "${MESHMILL_CATALOGUE:-}" ]; then # a night has something to do: its schedule is switched on
    prefect --no-prompt deploy --name nightly --prefect-file "$kit/prefect.yaml" --param "folder=$MESHMILL_CATALOGUE" \
        --param recipe="${MESHMILL_RECIPE:-starter}" --param deployment=build_assets/build \
        --cron "${MESHMILL_NIGHT:-0 1 * * *}" --timezone "${TZ:-Europe/Berlin}"
fi
meshmill doctor prefect --fix
