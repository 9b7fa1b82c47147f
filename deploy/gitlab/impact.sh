#!/usr/bin/env bash
# Runs "bulkhead impact" for a merge request, and "bulkhead check" if that is wanted, and tells the
# results to GitLab: reports in the folder bulkhead-impact, and a note each that is kept up to date.
#
# Everything comes in through the environment: BULKHEAD_* of bulkhead.gitlab-ci.yml, and CI_* of the
# runner. Nothing of it is ever part of a command's text. Needs bash, curl, git and jq.
# Exit codes: those of bulkhead, the worst of both, after all is written; 2 when it could not run.
set -euo pipefail

token=${BULKHEAD_TOKEN:-}
unset BULKHEAD_TOKEN # bulkhead has no use for it

home=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
readonly reports="bulkhead-impact"
work=$(mktemp -d)
secret=$work/secret # the token, for curl
trap 'rm -rf "$work"' EXIT

say() { printf 'bulkhead: %s\n' "$1" >&2; }

# give_up TEXT ends without an answer.
give_up() {
  say "error: $1"
  exit 2
}

check() {
  local p
  for p in curl git jq; do
    command -v "$p" >/dev/null || give_up "$p is not installed in this image, and the job needs bash, curl, git and jq"
  done
  path=${BULKHEAD_PATH:-.}
  [[ -d $path ]] || give_up "the input path names no folder of the project"
  mkdir -p "$reports"
}

# find_program sets bulkhead: what is in PATH, else a build of the files that this script belongs to.
find_program() {
  bulkhead=$(command -v bulkhead) && return 0
  command -v go >/dev/null || give_up "there is no bulkhead in PATH and no Go to build it with: give the input image one of the two"
  bulkhead=$work/bulkhead
  say "note: building bulkhead from $home"
  (cd -- "$home" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$bulkhead" ./cmd/bulkhead) || give_up "bulkhead could not be built"
}

# need_commit COMMIT WHAT ends if the clone does not have it.
need_commit() {
  git -c safe.directory='*' -C "$clone" cat-file -e "$1^{commit}" && return 0
  give_up "the $2 of the merge request, $1, is not in the clone: set the variable GIT_DEPTH to 0"
}

# find_revisions sets base and head: those of the inputs, else of the merge request.
find_revisions() {
  clone=$path
  [[ -z ${BULKHEAD_SPOKE:-} ]] || clone=.
  base=${BULKHEAD_BASE:-}
  head=${BULKHEAD_HEAD:-}
  if [[ -z $head ]]; then
    # A pipeline for merged results runs on a merge commit, and names the head of the source branch.
    head=${CI_MERGE_REQUEST_SOURCE_BRANCH_SHA:-${CI_COMMIT_SHA:-}}
    [[ -n $head ]] || give_up "the pipeline names no head: run the job in merge request pipelines, or give the inputs base and head"
    need_commit "$head" head
  fi
  [[ -z $base ]] || return 0
  base=${CI_MERGE_REQUEST_DIFF_BASE_SHA:-}
  [[ -n $base ]] || give_up "the pipeline names no base: run the job in merge request pipelines, or give the inputs base and head"
  need_commit "$base" base
}

# each VARIABLE [PREFIX] adds the lines of a variable to args.
each() {
  local line
  while IFS= read -r line; do
    [[ -z $line ]] || args+=("${2:-}$line")
  done <<<"${!1:-}"
}

# run_impact sets code.
run_impact() {
  local line labels=${CI_MERGE_REQUEST_LABELS:-}
  local -a args=("--fail-on=${BULKHEAD_FAIL_ON:-error}")
  if [[ -n ${BULKHEAD_SPOKE:-} ]]; then
    args+=("--base=HEAD" "--head=HEAD" "--source=$BULKHEAD_SPOKE=$PWD@$base..$head")
  else
    args+=("--base=$base" "--head=$head")
  fi
  args+=("--report=markdown=$reports/impact.md" "--report=html=$reports/impact.html" "--report=json=$reports/impact.json")
  args+=("--report=junit=$reports/impact.xml" "--report=sarif=$reports/impact.sarif")
  [[ -z ${BULKHEAD_ONLY:-} ]] || args+=("--only=$BULKHEAD_ONLY")
  each BULKHEAD_SOURCES --source=
  while IFS= read -r line; do
    [[ -z $line ]] || args+=("--label=$line")
  done <<<"${labels//,/$'\n'}"
  each BULKHEAD_ARGS
  rm -f "$reports"/impact.* "$reports"/check.*
  code=0
  "$bulkhead" impact "--chdir=$path" "${args[@]}" || code=$?
}

# run_check sets check to the exit code of the check, "" when there is none, and code to the worse of both.
run_check() {
  local -a args=("--fail-on=${BULKHEAD_CHECK_FAIL_ON:-high}")
  check=
  [[ ${BULKHEAD_CHECK:-false} == true ]] || return 0
  if [[ -n ${BULKHEAD_CONTRACT:-} ]]; then
    if [[ ! -e $BULKHEAD_CONTRACT ]]; then
      say "note: the isolation check is skipped: there is no $BULKHEAD_CONTRACT. The platform writes it in its hub: bulkhead contract export --tenant NAME --file FILE"
      return 0
    fi
    args+=("--contract=$BULKHEAD_CONTRACT" "--base=$base" "--rev=$head")
  elif [[ -n ${BULKHEAD_SPOKE:-} ]]; then
    args+=("--base=HEAD" "--rev=HEAD" "--source=$BULKHEAD_SPOKE=$PWD@$base..$head")
  else
    args+=("--base=$base" "--rev=$head")
  fi
  [[ ${BULKHEAD_ONLY:-} != tenant/* ]] || args+=("--tenant=${BULKHEAD_ONLY#tenant/}")
  args+=("--report=markdown=$reports/check.md" "--report=json=$reports/check.json")
  args+=("--report=junit=$reports/check.xml" "--report=sarif=$reports/check.sarif")
  each BULKHEAD_SOURCES --source=
  each BULKHEAD_CHECK_ARGS
  check=0
  "$bulkhead" check "--chdir=$path" "${args[@]}" || check=$?
  case "$code $check" in # no answer, then what fails, then what is incomplete
    *2*) code=2 ;;
    *1*) code=1 ;;
    *3*) code=3 ;;
  esac
}

# write_note_text KIND sets marker, and writes what the note of impact or check says.
write_note_text() {
  local key what="What this merge request changes on the clusters"
  key=$(printf '%s' "${BULKHEAD_ONLY:-}" | tr -cd 'A-Za-z0-9._/-')
  marker="<!-- bulkhead:$1${key:+ $key} -->"
  printf '%s\n' "$marker" >"$work/note.md"
  [[ $1 == impact ]] || what="Whether tenants stay in their compartments"
  if [[ -s $reports/$1.md ]]; then
    # Bulkhead's own first line is the marker of the note about everything.
    sed "1{/^<!-- bulkhead:$1.* -->\$/d;}" "$reports/$1.md" >>"$work/note.md"
  else
    printf '### Bulkhead has no answer\n\n%s could not be found out; [the log](%s) says why.\n' "$what" "${CI_JOB_URL:-}" >>"$work/note.md"
  fi
}

# call METHOD PATH [FILE] asks the API, sets status, and leaves the answer in $work/answer and $work/headers.
call() {
  local -a more=()
  [[ $# -lt 3 ]] || more=(--header 'Content-Type: application/json' --data-binary "@$3")
  [[ $1 != GET ]] || more+=(--retry 2)
  status=$(curl --silent --show-error --max-time 60 --request "$1" --header "@$secret" --header 'Accept: application/json' \
    --dump-header "$work/headers" --output "$work/answer" --write-out '%{http_code}' ${more[@]+"${more[@]}"} \
    "$CI_API_V4_URL$2" 2>"$work/curl") || status=${status:-000}
}

# find_note NOTES sets note: the ID of our own, "" for none. What others wrote is never taken for ours.
find_note() {
  local me page=1
  note=
  call GET /user
  [[ $status == 200 ]] || return 1
  me=$(jq -r '.id' "$work/answer")
  while [[ $page =~ ^[0-9]+$ ]] && ((page <= 100)); do
    call GET "$1?per_page=100&page=$page"
    [[ $status == 200 ]] || return 1
    note=$(jq -r --arg marker "$marker" --arg me "$me" '
      [.[] | select(.body // "" | startswith($marker)) | select((.author.id | tostring) == $me) | .id][0] // empty' "$work/answer")
    [[ -z $note ]] || return 0
    page=$(tr -d '\r' <"$work/headers" | sed -n 's/^[Xx]-[Nn]ext-[Pp]age: *//p')
  done
}

# write_note keeps the note up to date. That it cannot is no fault of the change, fails nothing, and is told once.
write_note() {
  local notes
  [[ ${BULKHEAD_NOTE:-true} == true && ${CI_MERGE_REQUEST_IID:-} =~ ^[0-9]+$ && -z $mute ]] || return 0
  mute=yes
  if [[ -z $token || $token == *[[:space:]]* ]]; then
    say "note: there is no BULKHEAD_TOKEN, as in a merge request from a fork: the report is in the artifacts only"
    return 0
  fi
  (umask 077 && printf 'PRIVATE-TOKEN: %s\n' "$token" >"$secret")
  jq -n --rawfile body "$work/note.md" '{body: $body}' >"$work/body.json"
  notes="/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes"
  if find_note "$notes"; then
    if [[ -n $note ]]; then
      call PUT "$notes/$note" "$work/body.json"
    else
      call POST "$notes" "$work/body.json"
    fi
  fi
  case $status in
    200 | 201) mute= ;;
    401 | 403 | 404) say "warning: BULKHEAD_TOKEN may not write notes (HTTP $status): it needs the role Reporter and the scope api. The report is in the artifacts" ;;
    *) say "warning: the note could not be written (HTTP $status): the report is in the artifacts" ;;
  esac
}

check
find_program
find_revisions
run_impact
run_check
mute= # set when notes cannot be written
for kind in impact ${check:+check}; do
  write_note_text "$kind"
  write_note
done
exit "$code"
