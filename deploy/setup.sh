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
python "$kit/deploy/schedule.py"
meshmill doctor prefect --fix
