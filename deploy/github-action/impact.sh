#!/usr/bin/env bash
# Runs "bulkhead impact" for a pull request, and "bulkhead check" if that is wanted, and tells the
# results to GitHub: annotations, the job's summary, outputs, and a comment each that is kept up to date.
#
# Everything comes in through the environment: INPUT_* of action.yml, and GITHUB_* and RUNNER_*
# of the runner. Nothing of it is ever part of a command's text. Needs bash, curl, git and jq.
# Exit codes: those of bulkhead, the worst of both, after all is written; 2 when it could not run.
set -euo pipefail
umask 077

token=${INPUT_TOKEN:-}
unset INPUT_TOKEN # bulkhead has no use for it

readonly summary_limit=$((1024 * 1024)) # bytes, GitHub's own for a step

work=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/bulkhead.XXXXXX")
reports=$work/reports
secret=$work/secret # the token, for curl, removed at the end
mkdir "$reports"
trap 'rm -f "$secret"' EXIT

# escaped is text as a workflow command takes it.
escaped() {
  local text=$1
  text=${text//'%'/'%25'}
  text=${text//$'\r'/'%0D'}
  printf '%s' "${text//$'\n'/'%0A'}"
}

# tell LEVEL TEXT makes an annotation: error, warning or notice.
tell() {
  printf '::%s title=Bulkhead::%s\n' "$1" "$(escaped "$2")"
}

# give_up TEXT ends without an answer.
give_up() {
  tell error "$1"
  set_output exit-code 2
  exit 2
}

# chance is a word that nobody can guess.
chance() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# set_output NAME VALUE gives the step an output.
set_output() {
  local end
  end=end-$(chance)
  [[ -n ${GITHUB_OUTPUT:-} ]] || return 0
  printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >>"$GITHUB_OUTPUT"
}

# quoted FILE prints a file to the log in such a way that nothing in it is taken for a command.
quoted() {
  local end
  [[ -s $1 ]] || return 0
  end=resume-$(chance)
  printf '::stop-commands::%s\n' "$end"
  cat "$1"
  printf '\n::%s::\n' "$end"
}

# of_event FILTER is a value of the event that started the workflow, or nothing.
of_event() {
  [[ -r ${GITHUB_EVENT_PATH:-} ]] || return 0
  jq -r "($1) // empty" "$GITHUB_EVENT_PATH"
}

check_programs() {
  local p
  for p in curl git jq; do
    command -v "$p" >/dev/null || give_up "$p is not installed on this runner, and the action needs curl, git and jq."
  done
  [[ -d ${INPUT_PATH:=.} ]] || give_up "The input path names no folder of the workspace: check the repository out first, with actions/checkout."
}

# find_program sets bulkhead: what the input names, else what is in PATH, else a build of the action's own files.
find_program() {
  local root
  if bulkhead=$(command -v -- "${INPUT_BULKHEAD:-bulkhead}"); then
    [[ $bulkhead == /* ]] || bulkhead=$PWD/$bulkhead
    return 0
  fi
  [[ -z ${INPUT_BULKHEAD:-} ]] || give_up "The input bulkhead names no program that is there."
  command -v go >/dev/null || give_up "There is no bulkhead in PATH and no Go to build it with: add a step with actions/setup-go, or give the input bulkhead."
  root=$(cd -- "${GITHUB_ACTION_PATH:-$(dirname -- "$0")}/../.." && pwd)
  bulkhead=$work/bulkhead
  echo "Building bulkhead from the files of the action"
  (cd -- "$root" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$bulkhead" ./cmd/bulkhead) >"$work/build" 2>&1 ||
    { quoted "$work/build"; give_up "bulkhead could not be built; the log says why."; }
}

# ask_git asks the clone with the pull request, also when another user of a container made it. No
# question here runs anything that a repository's configuration names.
ask_git() { git -c safe.directory='*' -C "$clone" "$@" 2>"$work/git"; }

# need_commit COMMIT WHAT ends if the clone does not have it.
need_commit() {
  ask_git cat-file -e "$1^{commit}" && return 0
  quoted "$work/git"
  give_up "The $2 of the pull request, $1, is not in the clone: give actions/checkout the input fetch-depth: 0."
}

# find_revisions sets base and head: those of the inputs, else of the event.
find_revisions() {
  local tip
  base=${INPUT_BASE:-}
  head=${INPUT_HEAD:-}
  clone=$INPUT_PATH
  [[ -z ${INPUT_SPOKE:-} ]] || clone=.
  if [[ -z $head ]]; then
    head=$(of_event '.pull_request.head.sha // .merge_group.head_sha // .after')
    [[ -n $head ]] || give_up "The event names no head: run the action on pull_request, or give the inputs base and head."
    need_commit "$head" head
  fi
  [[ -z $base ]] || return 0
  tip=$(of_event '.pull_request.base.sha // .merge_group.base_sha // .before')
  [[ -n $tip ]] || give_up "The event names no base: run the action on pull_request, or give the inputs base and head."
  need_commit "$tip" base
  # The base branch may have moved on: what it changed since is not the pull request's.
  base=$(ask_git merge-base -- "$tip" "$head") && return 0
  quoted "$work/git"
  if [[ $(ask_git rev-parse --is-shallow-repository) == true ]]; then
    give_up "The clone is too shallow to hold the commit that the pull request started from: give actions/checkout the input fetch-depth: 0."
  fi
  give_up "The pull request and its base have no commit in common: give the input base."
}

# each VARIABLE [PREFIX] adds the lines of an input to args.
each() {
  local line
  while IFS= read -r line; do
    [[ -z $line ]] || args+=("${2:-}$line")
  done <<<"${!1:-}"
}

# tell_run COMMAND runs bulkhead with args, tells its annotations, and sets status.
tell_run() {
  status=0
  "$bulkhead" "$1" "--chdir=$INPUT_PATH" "${args[@]}" >"$work/out" 2>"$work/err" || status=$?
  quoted "$work/err"
  # Bulkhead escapes what is not its own. Should a line get through, it is no annotation.
  grep -E '^::(error|warning|notice)[ :]' "$work/out" || true
}

# run_impact sets code.
run_impact() {
  local line
  local -a args=("--fail-on=${INPUT_FAIL_ON:-error}" "--output=github")
  if [[ -n ${INPUT_SPOKE:-} ]]; then
    args+=("--base=HEAD" "--head=HEAD" "--source=$INPUT_SPOKE=$PWD@$base..$head")
  else
    args+=("--base=$base" "--head=$head")
  fi
  args+=("--report=markdown=$reports/impact.md" "--report=html=$reports/impact.html")
  args+=("--report=json=$reports/impact.json" "--report=sarif=$reports/impact.sarif")
  [[ -z ${INPUT_ONLY:-} ]] || args+=("--only=$INPUT_ONLY")
  each INPUT_SOURCES --source=
  while IFS= read -r line; do
    [[ -z $line ]] || args+=("--label=$line")
  done < <(of_event '.pull_request.labels[]?.name | gsub("[\r\n]"; " ")')
  each INPUT_ARGS
  tell_run impact
  code=$status
}

# run_check sets check to the exit code of the check, "" when there is none, and code to the worse of both.
run_check() {
  local -a args=("--fail-on=${INPUT_CHECK_FAIL_ON:-high}" "--output=github")
  check=
  [[ ${INPUT_CHECK:-false} == true ]] || return 0
  if [[ -n ${INPUT_CONTRACT:-} ]]; then
    if [[ ! -e $INPUT_CONTRACT ]]; then
      tell notice "The isolation check is skipped: there is no $INPUT_CONTRACT. The platform writes it in its hub: bulkhead contract export --tenant NAME --file FILE."
      return 0
    fi
    args+=("--contract=$INPUT_CONTRACT" "--base=$base" "--rev=$head")
  elif [[ -n ${INPUT_SPOKE:-} ]]; then
    args+=("--base=HEAD" "--rev=HEAD" "--source=$INPUT_SPOKE=$PWD@$base..$head")
  else
    args+=("--base=$base" "--rev=$head")
  fi
  [[ ${INPUT_ONLY:-} != tenant/* ]] || args+=("--tenant=${INPUT_ONLY#tenant/}")
  args+=("--report=markdown=$reports/check.md" "--report=json=$reports/check.json" "--report=sarif=$reports/check.sarif")
  each INPUT_SOURCES --source=
  each INPUT_CHECK_ARGS
  tell_run check
  check=$status
  case "$code $check" in # no answer, then what fails, then what is incomplete
    *2*) code=2 ;;
    *1*) code=1 ;;
    *3*) code=3 ;;
  esac
}

write_outputs() {
  local f
  set_output exit-code "$code"
  set_output check-exit-code "$check"
  [[ ! -s $reports/check.sarif ]] || set_output check-sarif "$reports/check.sarif"
  [[ -s $reports/impact.json ]] || return 0
  set_output verdict "$(jq -r '.verdict.state' "$reports/impact.json")"
  set_output clusters "$(jq -c '[.clusters[] | select(.touched) | .name]' "$reports/impact.json")"
  set_output reports "$reports"
  for f in markdown=md html=html json=json sarif=sarif; do
    set_output "${f%=*}" "$reports/impact.${f#*=}"
  done
}

# write_comment_text KIND sets marker, and writes what the comment of impact or check says.
write_comment_text() {
  local key run what="What this pull request changes on the clusters"
  key=$(printf '%s' "${INPUT_ONLY:-}" | tr -cd 'A-Za-z0-9._/-')
  marker="<!-- bulkhead:$1${key:+ $key} -->"
  if [[ -s $reports/$1.md ]]; then
    # Bulkhead's own first line is the marker of the comment about everything.
    { printf '%s\n' "$marker"; sed "1{/^<!-- bulkhead:$1.* -->\$/d;}" "$reports/$1.md"; } >"$work/comment.md"
    return
  fi
  [[ $1 == impact ]] || what="Whether tenants stay in their compartments"
  run="${GITHUB_SERVER_URL:-https://github.com}/${GITHUB_REPOSITORY:-}/actions/runs/${GITHUB_RUN_ID:-}"
  printf '%s\n### Bulkhead has no answer\n\n%s could not be found out; [the log](%s) says why.\n' "$marker" "$what" "$run" >"$work/comment.md"
}

# write_summary KIND adds the text of the comment to the summary of the job.
write_summary() {
  local have more
  [[ -n ${GITHUB_STEP_SUMMARY:-} ]] || return 0
  touch -- "$GITHUB_STEP_SUMMARY"
  have=$(wc -c <"$GITHUB_STEP_SUMMARY")
  more=$(wc -c <"$work/comment.md")
  if ((have + more < summary_limit)); then
    cat "$work/comment.md" >>"$GITHUB_STEP_SUMMARY"
  elif ((have + 200 < summary_limit)); then
    printf '### Bulkhead %s\n\nThe report is too long for a summary: it is in the artifact.\n' "$1" >>"$GITHUB_STEP_SUMMARY"
  fi
}

# call METHOD PATH [FILE] asks the API, sets status, and leaves the answer in $work/answer and $work/headers.
call() {
  local -a more=()
  [[ $# -lt 3 ]] || more=(--header 'Content-Type: application/json' --data-binary "@$3")
  [[ $1 != GET ]] || more+=(--retry 2)
  status=$(curl --silent --show-error --max-time 60 --request "$1" --header "@$secret" --header 'Accept: application/json' \
    --dump-header "$work/headers" --output "$work/answer" --write-out '%{http_code}' ${more[@]+"${more[@]}"} \
    "${GITHUB_API_URL:-https://api.github.com}$2" 2>"$work/curl") || status=${status:-000}
}

# find_comment NUMBER sets comment: the ID of our own, "" for none. What others wrote is never taken for ours.
find_comment() {
  local page me=
  comment=
  call GET /user # the token of a job is refused here, as it belongs to no user
  [[ $status != 200 ]] || me=$(jq -r '.login' "$work/answer")
  for ((page = 1; page <= 100; page++)); do
    call GET "/repos/$GITHUB_REPOSITORY/issues/$1/comments?per_page=100&page=$page"
    [[ $status == 200 ]] || return 1
    comment=$(jq -r --arg marker "$marker" --arg me "$me" '
      [.[] | select(.body // "" | startswith($marker))
           | select(if $me == "" then .user.type == "Bot" else .user.login == $me end) | .id][0] // empty' "$work/answer")
    [[ -z $comment ]] || return 0
    grep -qi '^link:.*rel="next"' "$work/headers" || return 0
  done
}

# write_comment keeps the comment up to date. That it cannot is no fault of the change, fails nothing, and is told once.
write_comment() {
  local number fork
  number=$(of_event '.pull_request.number')
  [[ ${INPUT_COMMENT:-true} == true && $number =~ ^[0-9]+$ && -z $mute ]] || return 0
  mute=yes
  if [[ -z $token || $token == *[[:space:]]* || -z ${GITHUB_REPOSITORY:-} ]]; then
    tell warning "There is no token to write the comment with: the report is in the summary of the job."
    return 0
  fi
  printf 'Authorization: Bearer %s\n' "$token" >"$secret"
  jq -n --rawfile body "$work/comment.md" '{body: $body}' >"$work/body.json"
  if find_comment "$number"; then
    if [[ -n $comment ]]; then
      call PATCH "/repos/$GITHUB_REPOSITORY/issues/comments/$comment" "$work/body.json"
    else
      call POST "/repos/$GITHUB_REPOSITORY/issues/$number/comments" "$work/body.json"
    fi
  fi
  fork=$(of_event 'if .pull_request.head.repo.full_name == .pull_request.base.repo.full_name then "" else "fork" end')
  case $status in
    200 | 201) mute= ;;
    401 | 403 | 404)
      if [[ -n $fork ]]; then
        tell notice "The pull request is from a fork, whose token cannot write comments: the report is in the summary of the job."
      else
        tell warning "The token may not write comments (HTTP $status): give the job permissions: pull-requests: write. The report is in the summary of the job."
      fi
      ;;
    *) tell warning "The comment could not be written (HTTP $status): the report is in the summary of the job." ;;
  esac
}

check_programs
find_program
find_revisions
run_impact
run_check
write_outputs
mute= # set when comments cannot be written
for kind in impact ${check:+check}; do
  write_comment_text "$kind"
  write_summary "$kind"
  write_comment
done
exit "$code"
