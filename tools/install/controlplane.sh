# etcd, kube-apiserver, kube-controller-manager and the OCI registry, built from tools/parts. Sourced, POSIX sh.
# KUBEBUILDER_ASSETS may hold the first three; the registry is not among what such a folder has, so it is always built.

parts=$root/tools/parts
kubernetes_version=$(sed -n 's/^[[:space:]]*k8s.io\/kubernetes v\([0-9.]*\)$/\1/p' "$parts/go.mod")
# A change of the sources is another folder, so that two clones at different commits do not rebuild over each other.
parts_hash=$(cd "$parts" && cat go.mod go.sum cmd/*/*.go | sha256sum | cut -c1-12)
controlplane=$cache/controlplane-$kubernetes_version-$parts_hash/bin

# path_of PROGRAM: where the program is, or will be once it is built.
path_of() {
  if [ "$1" != registry ] && [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$1" ]; then
    realpath "$KUBEBUILDER_ASSETS/$1"
  else
    echo "$controlplane/$1"
  fi
}

controlplane_ready() {
  for program in kube-apiserver kube-controller-manager etcd registry; do
    [ -x "$(path_of "$program")" ] || return 1
  done
}

find_go() {
  if ! command -v go >/dev/null 2>&1 && [ -x /usr/local/go/bin/go ]; then PATH=$PATH:/usr/local/go/bin; fi
  command -v go >/dev/null 2>&1 || die "Go is needed once to build $1, and there is no \"go\" on PATH." \
    'Install Go 1.21 or newer (it fetches the release that tools/parts/go.mod names).' \
    'KUBEBUILDER_ASSETS may name a folder with etcd, kube-apiserver and kube-controller-manager; the registry needs Go in any case.'
}

# build PROGRAM EXPECTATION
build() {
  find_go "$1"
  make_scratch
  major=${kubernetes_version%%.*} minor=${kubernetes_version#*.}
  minor=${minor%%.*}
  stamp=k8s.io/component-base/version
  cd "$parts"
  # Without the stamp the API server calls itself v0.0.0, and clients believe it. Nothing here needs cgo, and so no C compiler.
  run_step "$1: building, $2" "$scratch/log" env CGO_ENABLED=0 go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X $stamp.gitVersion=v$kubernetes_version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor" \
    -o "$scratch/$1" "./cmd/$1" || fail_step \
    "$1 cannot be had: Go could not build it." "cd tools/parts && CGO_ENABLED=0 go build ./cmd/$1" "$scratch/log" \
    'check the network, and that "go env GOPROXY" names a module proxy that this machine reaches' \
    'check that the disk has 5 GB free for the Go build cache ("go env GOCACHE")' \
    'run make again: what was fetched and compiled so far is kept' \
    'or name a folder with etcd, kube-apiserver and kube-controller-manager in KUBEBUILDER_ASSETS (the registry is built in any case)'
  cd "$root"
  mkdir -p "$controlplane"
  mv -f "$scratch/$1" "$controlplane/$1"
}

check_controlplane_override() {
  [ -z "${KUBEBUILDER_ASSETS:-}" ] || [ -d "$KUBEBUILDER_ASSETS" ] || die "KUBEBUILDER_ASSETS names $KUBEBUILDER_ASSETS, which is not a folder." \
    'Correct it, or unset it: then the programs are built.'
}

install_controlplane() {
  # The long one first: what the others share with it is compiled by then.
  [ -x "$(path_of kube-apiserver)" ] || build kube-apiserver 'takes 5 to 8 minutes on two cores, once'
  [ -x "$(path_of kube-controller-manager)" ] || build kube-controller-manager 'takes about 2 minutes, once'
  [ -x "$(path_of etcd)" ] || build etcd 'takes about a minute, once'
  [ -x "$(path_of registry)" ] || build registry 'takes about a minute, once'
}

link_controlplane() {
  for program in kube-apiserver kube-controller-manager etcd registry; do link "$(path_of "$program")" "$program"; done
}
