import { existsSync, lstatSync, readlinkSync } from 'node:fs';

export interface SandboxMount {
  /** A file or folder of the machine, without symbolic links in it. */
  readonly source: string;
  /** Absolute path in the container. */
  readonly target: string;
  readonly kind: 'file' | 'folder';
  readonly readOnly: boolean;
}

export interface SandboxPlan {
  /** An empty folder that becomes the container's root. */
  readonly root: string;
  readonly mounts: readonly SandboxMount[];
  readonly env: ReadonlyMap<string, string>;
  /** Made when it is not there. */
  readonly workingDir: string;
  /** Program and arguments. */
  readonly command: readonly string[];
}

export const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/**
 * What runs outside the PID namespace, whose first process is the one that it starts: a shell, because it tells the exit code of a program that a
 * signal has ended. The program dies with it. Its own words (the shell says "Killed") do not belong into the container's output.
 */
export const outerScript = (script: string): string => `exec 6>&2 2>/dev/null
/usr/bin/setpriv --pdeathsig KILL /bin/sh ${quote(script)} 2>&6 6>&-
exit $?
`;

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty', 'fuse', 'kvm'];

/**
 * The shell script that turns a new mount and PID namespace into a container and becomes the container's program.
 *
 * Descriptor 3 gets the lines `pid <number>` (seen from outside the namespace) and `started`, descriptor 4 gets complaints of the preparation: without
 * `started` the container has not begun. The root is left through pivot_root and not chroot, so that nothing of the machine can be reached or even be seen
 * in /proc/mounts, and so that programs with namespaces of their own (buildah) work inside. Mounts end with the namespace.
 */
export const sandboxScript = (plan: SandboxPlan): string =>
  [PREAMBLE, `root=${quote(plan.root)}`, ROOT, ...systemFolders(), DEV, PIVOT, ...mountLines(plan.mounts), ...programLines(plan)].join(
    '\n',
  );

const PREAMBLE = `set -eu
exec 5>&2 2>&4
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
umask 022
read -r pid rest < /proc/self/stat
echo "pid $pid" >&3`;

const ROOT = `mount --bind "$root" "$root"
cd "$root"
mkdir -p dev etc home opt proc root run srv sys tmp usr var/cache var/lib var/log var/tmp .machine
chmod 1777 tmp var/tmp
ln -s ../run var/run`;

/** Read-only folders of the machine. On a system with a merged /usr all but two of them are links into it. */
function systemFolders(): string[] {
  return ['usr', 'etc', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].flatMap((name) => {
    if (!existsSync(`/${name}`)) return [];
    if (lstatSync(`/${name}`).isSymbolicLink()) return [`ln -s ${quote(readlinkSync(`/${name}`))} ${name}`];
    return [`mkdir -p ${name}`, `mount --bind /${name} ${name}`, `mount -o remount,bind,ro ${name}`];
  });
}

const DEV = `mount -t tmpfs -o mode=755 tmpfs dev
for device in ${DEVICES.join(' ')}; do
  if [ -e "/dev/$device" ]; then : > "dev/$device"; mount --bind "/dev/$device" "dev/$device"; fi
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t proc proc proc
mount --rbind /sys sys`;

/**
 * `point` makes sure that a mount point is there. Below a read-only folder that takes some doing: `unfold` puts a tmpfs over the folder and each of its
 * entries back in its place. Links are resolved inside the container, since this runs after the change of root.
 */
const PIVOT = `pivot_root . .machine
cd /
unfold() {
  stage=$(mktemp -d /tmp/.unfold.XXXXXX)
  mount --rbind "$1" "$stage"
  mount -t tmpfs -o mode=755 tmpfs "$1"
  for entry in "$stage"/* "$stage"/.[!.]*; do
    name=\${entry##*/}
    if [ -L "$entry" ]; then cp -P "$entry" "$1/$name"
    elif [ -d "$entry" ]; then mkdir "$1/$name"; mount --rbind "$entry" "$1/$name"
    elif [ -e "$entry" ]; then : > "$1/$name"; mount --bind "$entry" "$1/$name"
    fi
  done
  umount -l "$stage"
  rmdir "$stage"
}
point() {
  if [ -e "$2" ]; then return 0; fi
  base=$2
  while [ ! -d "$base" ]; do base=$(dirname "$base"); done
  if [ ! -w "$base" ]; then unfold "$base"; fi
  if [ "$1" = folder ]; then mkdir -p "$2"; else mkdir -p "$(dirname "$2")"; : > "$2"; fi
}`;

/** Parents before children, whatever their order in the pod. */
const mountLines = (mounts: readonly SandboxMount[]): string[] =>
  [...mounts]
    .sort((a, b) => a.target.split('/').length - b.target.split('/').length)
    .flatMap(({ source, target, kind, readOnly }) => [
      `point ${kind} ${quote(target)}`,
      `mount --bind ${quote(`/.machine${source}`)} ${quote(target)}`,
      ...(readOnly ? [`mount -o remount,bind,ro ${quote(target)}`] : []),
    ]);

/**
 * The variables are arguments of env(1) and not of the shell, which would act on some of them and drop those whose names it does not like.
 * `command -v` first: env(1) would only exit with 127, which the program itself may do too.
 */
function programLines({ env, workingDir, command }: SandboxPlan): string[] {
  const [program = ''] = command;
  const path = quote(`PATH=${env.get('PATH') ?? ''}`);
  const variables = [...env].map(([name, value]) => quote(`${name}=${value}`)).join(' ');
  return [
    'umount -l /.machine',
    'rmdir /.machine',
    `mkdir -p ${quote(workingDir)}`,
    `if ! env -i -C ${quote(workingDir)} ${path} /bin/sh -c 'command -v "$1"' sh ${quote(program)} > /dev/null; then`,
    `  echo ${quote(`exec: "${program}": executable file not found in $PATH`)} >&2; exit 128`,
    'fi',
    'echo started >&3',
    'exec 2>&5 3>&- 4>&- 5>&-',
    `exec env -i -C ${quote(workingDir)} -- ${variables} ${command.map(quote).join(' ')}`,
  ];
}
