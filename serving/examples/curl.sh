#!/usr/bin/env bash
# Status, metadata and one embedding over REST: serving/examples/curl.sh IMAGE [http://localhost:8501] [reid]
set -euo pipefail
image=$1 url=${2:-http://localhost:8501} model=${3:-reid}

curl --fail-with-body --silent --show-error "$url/v1/models/$model"
curl --fail-with-body --silent --show-error "$url/v1/models/$model/metadata"
# The request comes through a pipe, because a photo would be too long for the command line.
{
  printf '{"instances": [{"b64": "'
  base64 <"$image" | tr -d '\n'
  printf '"}]}'
} | curl --fail-with-body --silent --show-error --data-binary @- "$url/v1/models/$model:predict"
