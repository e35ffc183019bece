#!/bin/sh
# Installs the npm packages of package-lock.json with the npm of the Node under .tools/bin.
set -eu
. "$(dirname -- "$0")/install/common.sh"

# An npm has its machine-wide configuration beside itself, and ours has none there: where the machine has an npm of its own, that one's
# (proxy, certificates, registry) holds. The user's ~/.npmrc is read in any case.
if [ -z "${npm_config_globalconfig:-}" ] && machine_wide=$(cd / && npm config get globalconfig 2>/dev/null) && [ -f "$machine_wide" ]; then
  export npm_config_globalconfig="$machine_wide"
fi

PATH=$bin:$PATH
mkdir -p "$cache"
make_scratch
cd "$root"
# npm's own retries may take an hour where nothing answers.
run_step 'npm packages: installing what package-lock.json names' "$scratch/log" \
  npm ci --loglevel=error --no-progress --fetch-retries=2 --fetch-retry-mintimeout=2000 --fetch-retry-maxtimeout=10000 || {
  # npm says first what is wrong, then a stack or its usage.
  grep -vE '^npm error( +at .*)?$' "$scratch/log" | head -n 10 >"$scratch/reason" || true
  fail_step 'the npm packages cannot be installed.' 'npm ci' "$scratch/reason" \
    'check the network, and that "npm config get registry" names a registry that this machine reaches' \
    'if it answers with a certificate that Node does not know, name the authority in npm_config_cafile' \
    'if package.json and package-lock.json disagree, run .tools/bin/npm install and commit both'
}
