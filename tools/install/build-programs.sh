# The programs that build kmod images and run virtual nodes: those on PATH, else Debian's packages when this is root and there is apt-get. Sourced, POSIX sh.

# program:package, in the names of Debian and Ubuntu. modinfo and setcap are kept from ordinary users' PATH.
build_programs='buildah:buildah skopeo:skopeo jq:jq qemu-system-x86_64:qemu-system-x86 mmdebstrap:mmdebstrap modinfo:kmod newuidmap:uidmap setcap:libcap2-bin busybox:busybox-static xz:xz-utils zstd:zstd
  cpio:cpio openssl:openssl'
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

has_program() {
  command -v "$1" >/dev/null 2>&1 && return
  case $1 in modinfo | setcap) PATH=/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1 ;; *) return 1 ;; esac
}

# Sets $missing_programs and $missing_packages; fails when something is missing.
programs_ready() {
  missing_programs='' missing_packages=''
  for pair in $build_programs; do
    has_program "${pair%%:*}" || missing_programs="$missing_programs ${pair%%:*}" missing_packages="$missing_packages ${pair#*:}"
  done
  if [ ! -r "$debian_keyring" ]; then
    missing_programs="$missing_programs $debian_keyring" missing_packages="$missing_packages debian-archive-keyring"
  fi
  missing_programs=${missing_programs# } missing_packages=${missing_packages# }
  [ -z "$missing_packages" ]
}

# Nobody is there to answer a question, and another apt-get (a fresh machine updates itself) may hold the lock for a while.
apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout="${KMODFLOW_APT_LOCK_SECONDS:-300}" -o Acquire::Retries=3 "$@"
}
apt_install() {
  # shellcheck disable=SC2086 # one word for each package
  apt install --no-install-recommends $missing_packages
}
# The lists have a lock that apt-get does not wait for. A list that cannot be had (a repository of somebody else) is no reason to stop:
# the installation that follows tells whether it mattered.
apt_update_and_install() {
  for attempt in 1 2 3; do
    apt update && break
    [ "$attempt" -eq 3 ] || sleep 5
  done
  apt_install
}

install_programs() {
  ! programs_ready || return 0
  command -v apt-get >/dev/null 2>&1 || die "building and loading kernel modules needs what this machine lacks: $missing_programs." \
    'There is no apt-get here, so install them with the package manager of this system, and run make again.' \
    "On Debian and Ubuntu these packages have them: $missing_packages"
  [ "$(id -u)" -eq 0 ] || die "building and loading kernel modules needs what this machine lacks: $missing_programs." \
    'Only root can install packages. Run this once, then make again:' \
    "  sudo apt-get install --no-install-recommends $missing_packages"
  make_scratch
  run_step "installing $missing_packages" "$scratch/log" apt_install ||
    run_step "installing $missing_packages, with new package lists" "$scratch/log" apt_update_and_install || fail_step \
      "these packages cannot be had: $missing_packages." "apt-get install --no-install-recommends $missing_packages" "$scratch/log" \
      'check the network, and that "apt-get update" reaches the mirrors that /etc/apt/sources.list names' \
      'if another apt-get runs, wait until it has ended, and run make again' \
      'or install the packages yourself, and run make again'
  programs_ready || die "apt-get installed the packages, and these are still not to be found: $missing_programs." \
    "Look at where the packages put them ($missing_packages), and have that folder on PATH."
}
