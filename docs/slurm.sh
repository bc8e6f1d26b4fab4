#!/usr/bin/env bash
#SBATCH --job-name=parallax
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=USR1@120
# One rank a GPU: sbatch --nodes=2 slurm.sh RECIPE DATA OUT
#
# Two minutes before the time is over Slurm sends SIGUSR1 to the ranks, which finish their step, save and leave with exit
# code 0. The job then queues itself again, and --resume goes on with the bits of a run that was never interrupted.
set -euo pipefail
recipe=$1 data=$2 out=$3

resume=()
if [[ -f "$out/recipe.toml" ]]; then
  resume=(--resume)
else
  resume=(--data "$data")
fi

# Each rank takes the adapter of its number on its machine. Where a task sees its own GPU alone, say DEVICE=vulkan:0.
srun --kill-on-bad-exit=1 --cpu-bind=cores \
  parallax pretrain "$recipe" --out "$out" --device "${DEVICE:-vulkan:rank}" --loader-threads 7 "${resume[@]}"

# A run that has ended says so in its log.
if ! grep -q '"event":"done"' "$out/events.jsonl"; then
  scontrol requeue "$SLURM_JOB_ID"
fi
