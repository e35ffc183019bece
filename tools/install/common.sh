# Shared by the installers: where things are, what is said on screen, and how a failure is told. Sourced, POSIX sh.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
bin=$root/.tools/bin
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kmodflow
scratch=
child=
lock_dir=

# Our own links must not be found again as "the node on PATH".
path_without_tools() {
  printf '%s\n' "$PATH" | tr ':' '\n' | grep -vxF "$bin" | paste -sd: -
}
PATH=$(path_without_tools)
export PATH

say() { printf '%s\n' "$*"; }

now() { date +%s; }

# Stops with what is missing, then one line for each further argument: the reason and the ways out.
die() {
  {
    printf '\nkmodflow: %s\n' "$1"
    shift
    for line in "$@"; do printf '  %s\n' "$line"; done
  } >&2
  exit 1
}

finish() {
  status=$?
  trap - EXIT INT TERM
  if [ -n "$child" ]; then kill "$child" 2>/dev/null || true; fi
  if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
  if [ -n "$lock_dir" ]; then rm -rf "$lock_dir"; fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A folder beside the cached parts, so that the final mv is a rename within one file system.
make_scratch() {
  [ -n "$scratch" ] || scratch=$(mktemp -d "$cache/.new.XXXXXX") || die "cannot write to $cache." \
    'Make the folder writable, or name another one in XDG_CACHE_HOME.'
}

# show_elapsed LABEL SECONDS: overwrites one line on a terminal; elsewhere says it twice a minute, so that a log shows life and stays short.
show_elapsed() {
  if [ -t 1 ]; then
    printf '\r%s %d s ' "$1" "$2"
  elif [ "$2" -gt 0 ] && [ $(($2 % 30)) -eq 0 ]; then
    say "$1 $2 s so far"
  fi
}

# run_step LABEL LOG COMMAND…: runs the command with its output in LOG, shows that it lives, returns its status.
run_step() {
  label=$1 log=$2
  shift 2
  say "$label"
  started=$(now)
  "$@" >"$log" 2>&1 9>&- &
  child=$!
  last=0
  while kill -0 "$child" 2>/dev/null; do
    elapsed=$(($(now) - started))
    if [ "$elapsed" -ne "$last" ]; then
      show_elapsed '  …' "$elapsed"
      last=$elapsed
    fi
    sleep 0.5 2>/dev/null || sleep 1
  done
  status=0
  wait "$child" || status=$?
  child=
  [ ! -t 1 ] || printf '\r\033[K'
  [ "$status" -ne 0 ] || say "  done in $(($(now) - started)) s"
  return "$status"
}

# fail_step WHAT COMMAND LOG WAY_OUT…: tells what could not be had, the command, the end of what it said, and what to do.
fail_step() {
  what=$1 command=$2 log=$3
  shift 3
  {
    printf '\nkmodflow: %s\n' "$what"
    printf '  The command that failed:\n    %s\n' "$command"
    printf '  What it said:\n'
    tail -n 12 "$log" | sed 's/^/    /'
    printf '  What to do:\n'
    for line in "$@"; do printf '    - %s\n' "$line"; done
  } >&2
  exit 1
}

# link TARGET NAME: points .tools/bin/NAME at TARGET by a rename, so that nobody ever sees it missing.
link() {
  [ "$(readlink "$bin/$2" 2>/dev/null)" != "$1" ] || return 0
  mkdir -p "$bin"
  ln -s "$1" "$bin/.$2.$$"
  mv -fT "$bin/.$2.$$" "$bin/$2"
}

# One installation at a time in this cache. The waiting one says so and then finds everything there.
lock_seconds=${KMODFLOW_LOCK_SECONDS:-3600}
lock_timed_out() {
  die "another installation has held $cache/$1 for over $lock_seconds s." \
    "If none is running any more, remove $cache/$1 and try again."
}
take_lock() {
  mkdir -p "$cache" || die "cannot create $cache." 'Make its parent writable, or name another folder in XDG_CACHE_HOME.'
  if command -v flock >/dev/null 2>&1; then
    exec 9>"$cache/.lock"
    if ! flock -n 9; then
      say 'another installation is running; waiting for it to finish'
      flock -w "$lock_seconds" 9 || lock_timed_out .lock
    fi
    return
  fi
  waited=0
  until mkdir "$cache/.lock.d" 2>/dev/null; do
    holder=$(cat "$cache/.lock.d/pid" 2>/dev/null || true)
    if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then
      rm -rf "$cache/.lock.d" # its owner was killed
      continue
    fi
    [ "$waited" -ne 0 ] || say 'another installation is running; waiting for it to finish'
    [ "$waited" -lt "$lock_seconds" ] || lock_timed_out .lock.d
    sleep 1
    waited=$((waited + 1))
  done
  lock_dir=$cache/.lock.d
  echo $$ >"$lock_dir/pid"
}
