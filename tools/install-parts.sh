#!/bin/sh
# Puts Node, the Temporal CLI, a Kubernetes control plane and an OCI registry under .tools/bin. What is missing is fetched or built once into
# ${XDG_CACHE_HOME:-~/.cache}/kmodflow/<part>-<version>, which all clones share. Needs Python 3 with pip, and Go; no root, no curl, no unzip.
#   KUBEBUILDER_ASSETS     a folder with etcd, kube-apiserver and kube-controller-manager to use
#   TEMPORAL_CLI           a Temporal CLI to use
#   KMODFLOW_LOCK_SECONDS  how long to wait for another installation, default 3600
set -eu
. "$(dirname -- "$0")/install/common.sh"
. "$root/tools/install/wheel.sh"
. "$root/tools/install/node.sh"
. "$root/tools/install/temporal.sh"
. "$root/tools/install/controlplane.sh"

check_temporal_override
check_controlplane_override
if ! { node_ready && temporal_ready && controlplane_ready; }; then
  take_lock
  install_node
  install_temporal
  install_controlplane
fi
link_node
link_temporal
link_controlplane
say "parts: $("$bin/node" --version | sed 's/^v/Node /'), Temporal CLI ${TEMPORAL_CLI:-$temporal_version}, Kubernetes ${KUBEBUILDER_ASSETS:-$kubernetes_version}, registry; in .tools/bin"
