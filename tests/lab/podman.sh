# Sourced by lab tests that need a container engine: real podman with crun, its containers in a node's network namespace, and the service
# that speaks the Docker API.
#
# `ip netns exec` mounts a /sys without cgroups, so the engine enters the namespace with nsenter.
# engine NODE: everything podman needs, below $LAB/<node>/podman
engine() {
  if ! mountpoint -q /sys/fs/cgroup || [[ $(stat -f -c %T /sys/fs/cgroup) != cgroup2fs ]]; then
    umount -R /sys/fs/cgroup 2>/dev/null || true
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
  fi
  mkdir -p "$LAB/rootfs"/{bin,proc,sys,dev,etc,run,tmp} "$LAB/$1/podman"
  cp -f /bin/busybox "$LAB/rootfs/bin/busybox"
  local applet
  for applet in sh ping nc sleep; do ln -sf busybox "$LAB/rootfs/bin/$applet"; done
}
podman_on() {
  local node=$1 home=$LAB/$1/podman
  shift
  ${ENGINE_EXEC-} nsenter --net="/run/netns/$node" podman --root "$home/root" --runroot "$home/run" --tmpdir "$home/tmp" --network-config-dir "$home/networks" \
    --events-backend file --runtime crun --cgroup-manager cgroupfs --log-level error "$@"
}
# serve_api NODE: in the background, with $API as its process; the socket is $LAB/<node>/podman.sock
serve_api() {
  rm -f "$LAB/$1/podman.sock"
  ENGINE_EXEC=exec podman_on "$1" system service --time 0 "unix://$LAB/$1/podman.sock" >>"$LAB/$1/podman.log" 2>&1 &
  API=$!
  eventually 20 "podman's service" test -S "$LAB/$1/podman.sock"
}
# container NODE NAME OPTIONS… -- COMMAND…: starts one from the busybox root
container() {
  local node=$1 name=$2 options=()
  shift 2
  while [[ $1 != -- ]]; do options+=("$1"); shift; done
  shift
  podman_on "$node" run -d --privileged --pids-limit=0 --ulimit nofile=1000:1000 --ulimit nproc=1000:1000 \
    --name "$name" "${options[@]}" --rootfs "$LAB/rootfs" /bin/busybox "$@"
}
