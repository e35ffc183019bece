# shellcheck shell=bash
# What the builder's programs share. Sourced by them, never run.
#
# Environment, all optional; the defaults are the paths of the build pod:
#   KMODFLOW_AUTH_DIR         folder of the registry credentials' Secret (/run/kmodflow/auth)
#   KMODFLOW_SECRETS_DIR      folder with one folder for each build secret (/run/secrets)
#   KMODFLOW_TERMINATION_LOG  file that receives the result as JSON (/dev/termination-log)
#   KMODFLOW_RETRY_SECONDS    first pause before a registry is asked again; doubles each time (2)

set -euo pipefail
umask 077

readonly AUTH_DIR=${KMODFLOW_AUTH_DIR:-/run/kmodflow/auth}
readonly SECRETS_DIR=${KMODFLOW_SECRETS_DIR:-/run/secrets}
readonly TERMINATION_LOG=${KMODFLOW_TERMINATION_LOG:-/dev/termination-log}
readonly RETRY_SECONDS=${KMODFLOW_RETRY_SECONDS:-2}
# Times that a registry is asked again after a fault that may pass.
readonly RETRIES=3
# Characters of a message, and of the Dockerfile's step in it.
readonly MAX_MESSAGE=1000
readonly MAX_STEP=200
# A line of a secret that is shorter than this is not looked for: `yes` or a port number would blacken half of the log.
readonly MIN_SECRET=6

PROGRAM=$(basename -- "$0")
STAGE=Build
PRIVATE=$(mktemp -d "${TMPDIR:-/tmp}/kmodflow.XXXXXXXXXX")
trap 'rm -rf -- "$PRIVATE"' EXIT
: >"$PRIVATE/secrets"
: >"$PRIVATE/log"

say() { printf '%s: %s\n' "$PROGRAM" "$*"; }

# Writes the termination message. A program that is tried outside a pod has no such file, and goes on without.
report() {
  local result
  result=$(cat)
  { printf '%s' "$result" >"$TERMINATION_LOG"; } 2>/dev/null || true
}

# fail <exit code> <cause> <step, may be empty> <message>: ends the program.
# Causes: denied, missing, unavailable (of a registry), disk, memory, network, sandbox, input, step, digest.
fail() {
  local code=$1 cause=$2 step=${3:0:MAX_STEP} message=${4:0:MAX_MESSAGE}
  say "$message" >&2
  jq -cn --arg stage "$STAGE" --argjson code "$code" --arg cause "$cause" --arg step "$step" --arg message "$message" \
    '{stage: $stage, exitCode: $code, cause: $cause} + (if $step == "" then {} else {step: $step} end) + {message: $message}' | report
  exit "$((code == 0 ? 1 : code))"
}

usage() { fail 64 input '' "$PROGRAM was called wrongly: $1."; }

# Registry credentials in the form that buildah and skopeo read; an empty list where there are none, so that nothing else of the machine is used.
login() {
  local file=$PRIVATE/auth.json
  if [ -f "$AUTH_DIR/.dockerconfigjson" ]; then
    cat -- "$AUTH_DIR/.dockerconfigjson" >"$file"
  elif [ -f "$AUTH_DIR/.dockercfg" ]; then
    { printf '{"auths":' && cat -- "$AUTH_DIR/.dockercfg" && printf '}'; } >"$file"
  else
    printf '{"auths":{}}' >"$file"
  fi
  # A credential helper of the machine that the Secret was made on is not here.
  if ! jq -e '{auths: (.auths // {})} | select(.auths | type == "object")' "$file" >"$file.new" 2>/dev/null; then
    fail 65 input '' 'The registry credentials of imageRepoSecret are not JSON with an object "auths": make the Secret with "kubectl create secret docker-registry".'
  fi
  mv -- "$file.new" "$file"
  jq -r '.auths[] | objects | .auth?, .password?, .identitytoken?, .registrytoken?, (.auth? | strings | try (@base64d | split(":")[1:] | join(":")) catch empty) | strings' \
    "$file" >>"$PRIVATE/secrets"
  export REGISTRY_AUTH_FILE=$file
}

# Lines of a Secret's files join the list of what never reaches the log.
remember_secret() {
  local file
  for file in "$1"/*; do
    if [ -f "$file" ]; then
      tr -d '\000\r' <"$file"
      printf '\n'
    fi
  done >>"$PRIVATE/secrets"
}

# mawk collects its input in blocks unless it is told not to; the others know no such option.
if awk -W interactive 'BEGIN { exit 0 }' </dev/null >"$PRIVATE/awk" 2>&1 && [ ! -s "$PRIVATE/awk" ]; then
  AWK=(awk -W interactive)
else
  AWK=(awk)
fi

# Passes standard input on, line by line, with every known secret replaced, and keeps what it passed in $PRIVATE/log.
redact() {
  LC_ALL=C "${AWK[@]}" -v list="$PRIVATE/secrets" -v copy="$PRIVATE/log" -v least="$MIN_SECRET" '
    BEGIN {
      while ((getline line < list) > 0) {
        gsub(/^[ \t]+|[ \t]+$/, "", line)
        if (length(line) >= least && !(line in known)) { known[line]; secrets[++count] = line }
      }
      # The longest first: a secret may hold another one.
      for (i = 2; i <= count; i++) {
        line = secrets[i]
        for (j = i - 1; j > 0 && length(secrets[j]) < length(line); j--) secrets[j + 1] = secrets[j]
        secrets[j + 1] = line
      }
    }
    {
      for (i = 1; i <= count; i++) {
        if (!index($0, secrets[i])) continue
        rest = $0; clean = ""
        while ((at = index(rest, secrets[i])) > 0) {
          clean = clean substr(rest, 1, at - 1) "[redacted]"
          rest = substr(rest, at + length(secrets[i]))
        }
        $0 = clean rest
      }
      print; fflush()
      print > copy; fflush(copy)
    }'
}

# run_logged <command …>: its output goes through redact; its exit code is returned.
run_logged() {
  local code=0
  : >"$PRIVATE/log"
  "$@" 2>&1 | redact || code=${PIPESTATUS[0]}
  return "$code"
}

# The last error that buildah or skopeo printed, without the parts of URLs that may authorise.
last_error() {
  sed -nE 's/^Error: //p; s/^time=.* level=(fatal|error) msg="(.*)"$/\2/p' "$PRIVATE/log" | tail -n 1 |
    sed -E 's/\\"/"/g; s/(https?:[^ "?]*)\?[^ "]*/\1/g' | cut -c 1-600
}

# cause_of <text>: why a registry did not do what it was asked.
cause_of() {
  case $1 in
    *'no space left on device'* | *'isk quota exceeded'*) printf disk ;;
    *nauthorized* | *'uthentication required'* | *'nvalid username/password'* | *enied* | *orbidden* | *'status code 403'* | *'status code 401'*) printf denied ;;
    *'manifest unknown'* | *'name unknown'* | *'not known to registry'* | *'status code 404'* | *'o such manifest'* | *'no image found in'*) printf missing ;;
    *) printf unavailable ;;
  esac
}

# retried <command …>: again after faults that may pass, as often as RETRIES says. Its last error is in $PRIVATE/log.
retried() {
  local code left=$RETRIES pauses=("$RETRY_SECONDS")
  while :; do
    code=0
    run_logged "$@" || code=$?
    if [ "$code" -eq 0 ]; then return 0; fi
    if [ "$left" -eq 0 ] || [ "$(cause_of "$(last_error)")" != unavailable ]; then return "$code"; fi
    say "The registry did not do it; it is asked again, $left more times at most." >&2
    sleep "${pauses[@]}" # adds its arguments up, fractions too
    left=$((left - 1))
    pauses+=("${pauses[@]}")
  done
}

# reference <image>: with both a tag and a digest the digest decides, and skopeo wants only one of them.
reference() {
  local image=$1
  if [[ $image == *@* ]]; then
    local name=${image%%@*}
    if [[ ${name##*/} == *:* ]]; then name=${name%:*}; fi
    image=$name@${image#*@}
  fi
  printf '%s' "$image"
}

# The digest that index.json of a layout names.
layout_digest() {
  jq -re 'if (.manifests | length) == 1 then .manifests[0].digest else error("not one manifest") end' "$1/index.json" 2>/dev/null
}

# Folders for storage and temporary files beside the layout: the disk with room is there, and /tmp of a pod may be small.
prepare_work() {
  WORK=$(dirname -- "$1")
  mkdir -p -- "$WORK" "$WORK/tmp" 2>"$PRIVATE/mkdir" || fail 74 disk '' "The folder $WORK cannot be written: $(head -n 1 "$PRIVATE/mkdir")."
  export TMPDIR=$WORK/tmp
  # Both look for settings and keep sockets below these; a user without an entry in /etc/passwd has neither.
  export HOME=$PRIVATE XDG_RUNTIME_DIR=$PRIVATE
  rm -rf -- "$1"
}
