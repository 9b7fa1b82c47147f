#!/bin/sh
# Makes the repository of the incident in a new folder: two commits on main, the fleet
# and the change. Author and dates are fixed, so the commits are the same everywhere.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
dir=${1:?give the folder to make: ./play.sh FOLDER}
mkdir -- "$dir"
cp -R -- "$here/fleet/." "$dir"
cd -- "$dir"

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Kim GIT_AUTHOR_EMAIL=kim@acme.example
export GIT_COMMITTER_NAME=Kim GIT_COMMITTER_EMAIL=kim@acme.example
export GIT_AUTHOR_DATE=2026-01-12T09:00:00Z GIT_COMMITTER_DATE=2026-01-12T09:00:00Z
git -c init.defaultBranch=main init -q
git add .
git commit -qm 'The fleet'
git apply -- "$here/change.patch"
export GIT_AUTHOR_DATE=2026-01-13T09:00:00Z GIT_COMMITTER_DATE=2026-01-13T09:00:00Z
git commit -qam 'logging: try fluent-bit on dev'
