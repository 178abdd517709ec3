#!/bin/sh
# The suite in several processes of one machine, which end in one certificate:
#
#     sh local.sh TARGET PROCESSES [OPTION OF PYTEST …]
set -eu
target=$1 shards=$2
shift 2
parts=$(mktemp -d)
trap 'rm -r "$parts"' EXIT
export target shards parts

# 1: something does not conform, which the certificate says; anything else ends this script
seq "$shards" | xargs -P "$shards" -I{} sh -c '
    shard=$1
    shift
    conformance certify "$target" --shard="$shard/$shards" --into "$parts/$shard" "$@" || [ $? -eq 1 ]
' shard {} "$@"

conformance merge "$parts"/* --into certificate
