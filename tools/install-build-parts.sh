#!/bin/sh
# Brings what kmod images are built with and what virtual nodes run on: buildah, skopeo, QEMU and their like (on PATH, or installed by apt-get when this is
# root), and in .tools/build-parts the Debian kernels and base images, made once in ${XDG_CACHE_HOME:-~/.cache}/kmodflow/build-parts-<suite>-<recipe>.
# Changes nothing else on this machine: no kernel is installed.
#   KMODFLOW_LOCK_SECONDS      how long to wait for another installation, default 3600
#   KMODFLOW_APT_LOCK_SECONDS  how long to wait for another apt-get, default 300
set -eu
. "$(dirname -- "$0")/install/common.sh"
. "$root/tools/install/build-programs.sh"
. "$root/tools/install/build-parts.sh"

if ! { programs_ready && build_parts_ready; }; then
  take_lock
  install_programs
  install_build_parts
fi
link_build_parts
say "build parts: kernels and base images of Debian $debian_suite; in .tools/build-parts"
