# Kernels to boot, and the base images that kernel modules are built in and shipped in, all made from Debian's packages. Sourced, POSIX sh.
# The packages are unpacked and never installed: /boot and the kernel of this machine stay as they are.
#
# One folder holds it all and appears in one rename, so that headers and kernels are always of one version. It stays valid when the kernels at
# Debian's mirror move on; only a new recipe makes another.
#   kernels/<release>/   vmlinuz, config, version (of the package), dummy.ko (a module that Debian has signed)
#   busybox              statically linked
#   kbuild.tar.zst       layer: gcc, make, kmod and the headers of all these kernels
#   runtime.tar.gz       layer: busybox under its usual names
#   parts.json           what there is, with the digests of the layers

# Raise it when what is made changes: a new number is a new folder.
build_parts_recipe=1
debian_suite=bookworm
kernel_flavours='amd64 cloud-amd64 rt-amd64'
build_parts=$cache/build-parts-$debian_suite-$build_parts_recipe

build_parts_ready() { [ -f "$build_parts/parts.json" ]; }

# The mirrors that this machine uses for the suite, if it does, since a company's network may reach no other. Nothing: mmdebstrap takes Debian's own.
debian_sources() {
  sources=$(apt-get indextargets --format '$(CODENAME) $(ORIGIN) $(REPO_URI) $(RELEASE) main' 'Created-By: Packages' 'Component: main' 2>/dev/null |
    sed -n "s|^$debian_suite[a-z-]* Debian \(.*\)|deb [signed-by=$debian_keyring] \1|p" | sort -u)
  case $sources in *" $debian_suite main"*) printf '%s\n' "$sources" ;; esac
}

unpack_debian() {
  # Proxies and the like; mmdebstrap looks at nothing of the machine's own configuration.
  apt-config dump Acquire 2>/dev/null | grep -v '^Acquire::IndexTargets' >"$scratch/apt.conf" || true
  echo 'APT::Install-Recommends "false";' >>"$scratch/apt.conf"
  debian_sources >"$scratch/sources.list"
  set --
  [ ! -s "$scratch/sources.list" ] || set -- "$scratch/sources.list"
  headers=$(for flavour in $kernel_flavours; do printf ',linux-headers-%s' "$flavour"; done)
  # shellcheck disable=SC2016 # mmdebstrap's shell expands $1
  mmdebstrap --variant=extract --architectures=amd64 --format=tar --skip=cleanup,output/dev,output/mknod \
    --aptopt="$scratch/apt.conf" --include="dash,coreutils,mawk,sed,grep,findutils,gcc,make,kmod$headers" \
    --setup-hook='for d in bin sbin lib lib64; do mkdir -p "$1/usr/$d"; ln -s "usr/$d" "$1/$d"; done' \
    --extract-hook="$(cat "$root/tools/install/kbuild-hook.sh")" \
    --extract-hook="tar-out /parts $scratch/parts.tar" --extract-hook='rm -rf "$1/parts"' \
    "$debian_suite" "$scratch/kbuild.tar" "$@" </dev/null
}

digest() { sha256sum "$1" | cut -c1-64; }

# layer FILE NAME MEDIA_TYPE COMMAND…: compresses the archive FILE to NAME; prints its entry in parts.json. The digests are computed here, once.
layer() {
  diff_id=$(digest "$1")
  file=$1 name=$2 media_type=$3
  shift 3
  "$@" <"$file" >"$scratch/parts/$name"
  printf '{"file": "%s", "mediaType": "application/vnd.oci.image.layer.v1.%s", "digest": "sha256:%s", "size": %d, "diffId": "sha256:%s"}' \
    "$name" "$media_type" "$(digest "$scratch/parts/$name")" "$(wc -c <"$scratch/parts/$name")" "$diff_id"
}

make_runtime() {
  mkdir -p "$scratch/runtime/bin" "$scratch/runtime/etc" "$scratch/runtime/tmp"
  chmod 1777 "$scratch/runtime/tmp"
  echo 'root:x:0:0:root:/:/bin/sh' >"$scratch/runtime/etc/passwd"
  cp "$scratch/parts/busybox" "$scratch/runtime/bin/busybox"
  for name in $("$scratch/parts/busybox" --list); do
    [ "$name" = busybox ] || ln -s busybox "$scratch/runtime/bin/$name"
  done
  tar -c -C "$scratch/runtime" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -f "$scratch/runtime.tar" .
}

assemble_build_parts() {
  set -e
  tar -x --no-same-owner -C "$scratch" -f "$scratch/parts.tar"
  make_runtime
  kernels='' separator=''
  for flavour in $kernel_flavours; do
    for folder in "$scratch"/parts/kernels/*[0-9]-"$flavour"; do
      kernels="$kernels$separator
    {\"flavour\": \"$flavour\", \"release\": \"${folder##*/}\", \"package\": \"$(cat "$folder/version")\"}"
      separator=,
      [ -f "$folder/vmlinuz" ]
    done
  done
  kbuild=$(layer "$scratch/kbuild.tar" kbuild.tar.zst tar+zstd zstd -q -3 -T0)
  runtime=$(layer "$scratch/runtime.tar" runtime.tar.gz tar+gzip gzip -n)
  printf '{\n  "suite": "%s",\n  "kernels": [%s\n  ],\n  "layers": {\n    "kbuild": %s,\n    "runtime": %s\n  }\n}\n' \
    "$debian_suite" "$kernels" "$kbuild" "$runtime" >"$scratch/parts/parts.json"
}

install_build_parts() {
  ! build_parts_ready || return 0
  [ "$(uname -m)" = x86_64 ] || die "the kernels and base images of the tests are for x86_64, and this machine is $(uname -m)." 'Run the tests that need them on x86_64.'
  make_scratch
  run_step 'kernels and base images: fetching and unpacking Debian packages, takes about a minute, once' "$scratch/log" unpack_debian || fail_step \
    'the kernels and base images cannot be had: mmdebstrap failed.' "mmdebstrap --variant=extract … $debian_suite" "$scratch/log" \
    "check the network, and that this machine reaches the mirrors that apt uses, or Debian's own" \
    "check that the disk of $cache has 1 GB free, and that of ${TMPDIR:-/tmp} as well" \
    'without root, check that user namespaces are allowed and that /etc/subuid has an entry for you' \
    'run make again'
  run_step 'kernels and base images: compressing' "$scratch/log" assemble_build_parts || fail_step \
    'the kernels and base images cannot be put together.' 'assemble_build_parts of tools/install/build-parts.sh' "$scratch/log" \
    "check that the disk of $cache has 1 GB free, and run make again"
  rm -rf "$build_parts"
  mv "$scratch/parts" "$build_parts"
}

# .tools/build-parts, which test/harness/build-parts.ts looks for.
link_build_parts() { (bin=$root/.tools && link "$build_parts" build-parts); }
