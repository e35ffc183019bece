/** User and group of every process of a build pod. The images know this user and the ids that it may map. */
const USER = 1000;

/** What holds for the pod; containers add to it. */
export const POD_SECURITY = {
  runAsUser: USER,
  runAsGroup: USER,
  runAsNonRoot: true,
  fsGroup: USER, // Secrets and the work volume belong to this group
  fsGroupChangePolicy: 'OnRootMismatch',
};

/** Of all containers but the one that builds: what the Pod Security Standard "restricted" asks for, and no more is needed. */
export const PLAIN_CONTAINER_SECURITY = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};

/**
 * Of the container that builds. An image has files of many users, so buildah works as "root" of a user namespace that it makes for itself; in there it mounts and
 * changes roots. No capability is held by buildah itself, nothing is privileged, no device or host path is mounted. Each exception has its reason:
 */
export const BUILD_CONTAINER_SECURITY = {
  // newuidmap and newgidmap, which map the users into the namespace, have their right from file capabilities. "No new privileges" would take these away.
  allowPrivilegeEscalation: true,
  // SETUID and SETGID bound what newuidmap and newgidmap may have; a process of user 1000 has neither without them.
  capabilities: { drop: ['ALL'], add: ['SETUID', 'SETGID'] },
  // Storage, context and temporary files are in volumes.
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  // The runtimes' default profile refuses unshare and mount to processes without SYS_ADMIN, also inside a user namespace of their own.
  seccompProfile: { type: 'Unconfined' },
  // The runtimes' default AppArmor profile refuses every mount. Without effect on nodes that have no AppArmor.
  appArmorProfile: { type: 'Unconfined' },
};
