#!/bin/sh
#SBATCH --job-name=conformance
#SBATCH --array=1-16
#SBATCH --cpus-per-task=2
#SBATCH --output=conformance-%a.log
# Shards of the suite as an array job, on nodes of one kind that share a folder. A second job makes the certificate:
#
#     job=$(sbatch --parsable slurm.sh TARGET parts [OPTION OF PYTEST …])
#     sbatch --dependency=afterany:"$job" --wrap="conformance merge parts/* --into certificate"
set -eu
target=$1 parts=$2
shift 2

# shards count from 1, the tasks of an array from where --array says
shard=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN + 1))

# 1: something does not conform, which the certificate says
conformance certify "$target" --shard="$shard/$SLURM_ARRAY_TASK_COUNT" --into "$parts/$shard" \
    -n "$SLURM_CPUS_PER_TASK" "$@" || [ $? -eq 1 ]
