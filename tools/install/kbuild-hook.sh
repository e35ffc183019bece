# Runs inside mmdebstrap when all packages are unpacked, with the folder of the new system as $1; handed over as text, since the user that
# mmdebstrap maps itself to cannot read every clone. Leaves in $1 what a kernel module is compiled with, and in $1/parts the kernels and busybox.
# POSIX sh.
set -eu
system=$1

# The kernels come from the same package lists as the headers, so that the two always belong together.
mkdir -p "$system/parts/debs"
cd "$system/parts/debs"
releases=$(cd "$system/usr/src" && for folder in linux-headers-*-amd64; do echo "${folder#linux-headers-}"; done)
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -o APT::Sandbox::User=root -o Acquire::Retries=3 download busybox-static \
  $(for release in $releases; do echo "linux-image-$release"; done)
cd "$system/parts"
for release in $releases; do
  mkdir -p "kernels/$release"
  # One small module that Debian has signed stays: what a signed module looks like when somebody else made it.
  dpkg-deb --fsys-tarfile debs/linux-image-"$release"_*.deb | tar -x -C "kernels/$release" --wildcards --no-anchored --transform 's,.*/,,' \
    "vmlinuz-$release" "config-$release" 'drivers/net/dummy.ko*'
  (cd "kernels/$release" && mv "vmlinuz-$release" vmlinuz && mv "config-$release" config && rm -rf boot lib)
  dpkg-deb --field debs/linux-image-"$release"_*.deb Version >"kernels/$release/version"
done
dpkg-deb --fsys-tarfile debs/busybox-static_*.deb | tar -x --transform 's,.*/,,' --wildcards '*bin/busybox'
rm -rf debs
cd "$system"
rm -rf tmp

# What Debian's maintainer scripts would have done, as far as a build needs it.
[ -e usr/bin/awk ] || ln -s mawk usr/bin/awk
[ -e usr/bin/sh ] || ln -s dash usr/bin/sh
mkdir -p etc root tmp
chmod 1777 tmp
echo 'root:x:0:0:root:/root:/bin/sh' >etc/passwd
echo 'root:x:0:' >etc/group

# Everything that a C compiler for kernel modules does not open: documentation, other linkers and languages, sanitizers, other architectures.
rm -rf var etc/apt etc/dpkg etc/cron.daily etc/init.d etc/logrotate.d usr/share usr/games boot lib/systemd lib/modprobe.d
rm -rf usr/lib/x86_64-linux-gnu/gconv usr/lib/x86_64-linux-gnu/gprofng usr/lib/gcc/x86_64-linux-gnu/*/plugin
rm -f usr/lib/x86_64-linux-gnu/lib?san.so* usr/lib/x86_64-linux-gnu/libgprofng* usr/lib/gcc/x86_64-linux-gnu/*/lib?san* \
  usr/lib/gcc/x86_64-linux-gnu/*/lto1 usr/bin/*lto-dump* usr/bin/*dwp usr/bin/*gold* usr/bin/*gp-* usr/bin/*gprof*
for common in usr/src/linux-headers-*-common*; do
  rm -rf "$common/include/dt-bindings"
  for arch in "$common"/arch/*/; do
    case $arch in */x86/) ;; *) rm -rf "$arch" ;; esac
  done
done
# Empty files, one for each option of the kernel, which make compares times with: half of all files, of use only to a kernel that is rebuilt.
find usr/src/linux-headers-*/include/config -type f -empty -delete
find usr/src/linux-headers-*/include/config -mindepth 1 -type d -empty -delete

# The headers of the real-time kernel differ from the others in a dozen files. What is equal is there once: whole folders as symbolic links, then files
# as hard links. Unpacking thousands of small files is most of what the use of this image costs.
for common in usr/src/linux-headers-*-common; do
  [ -d "$common-rt" ] || continue
  for folder in $(cd "$common-rt" && echo include/*/ include/linux/*/ arch/x86/include/*/); do
    folder=${folder%/}
    if diff -rq "$common/$folder" "$common-rt/$folder" >/dev/null 2>&1; then
      rm -rf "${common:?}-rt/$folder"
      ln -s "/$common/$folder" "$common-rt/$folder"
    fi
  done
  list=$(cd "$common" && find . -type f -exec sha256sum {} +)
  list_rt=$(cd "$common-rt" && find . -type f -exec sha256sum {} +)
  printf '%s\n%s\n' "$list" "$list_rt" | sort | uniq -d | cut -c67- | (cd "$common" && cpio -pdlmu --quiet "$system/$common-rt")
done
