#!/usr/bin/env bash
# Shows one service from its file to its end: waiting for an address, running, stopped, started again.
#
# Everything happens in a network namespace and in directories of its own, which are gone afterwards, also after a failure
# or Ctrl-C. "make demo" builds what it needs first.
set -euo pipefail

# Debian keeps ip and runc out of the PATH of those who are not root.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
  echo "demo: containers need root; try: sudo make demo" >&2
  exit 1
fi

for file in bin/extactor bin/containerd-shim-extactor-v2 bin/rootfs/hello-world/hello-world; do
  if [ ! -x "$file" ]; then
    echo "demo: $file is missing; try: make demo" >&2
    exit 1
  fi
done

bold="" faint="" normal=""
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' faint=$'\e[2m' normal=$'\e[0m'
fi

namespace="extactor-demo-$$"
scratch=$(mktemp -d /tmp/extactor-demo.XXXXXX)
daemon="" watcher=""

cleanup() {
  result=$?
  trap - EXIT
  trap '' INT TERM HUP # cleaning up is not to be interrupted half way
  if [ -n "$watcher" ]; then kill "$watcher" 2>/dev/null || true; fi
  if [ -n "$daemon" ]; then
    # SIGTERM stops the services, then containerd and logd, then the daemon; the second one hurries.
    kill -TERM "$daemon" 2>/dev/null || true
    (sleep 20; kill -TERM "$daemon"; sleep 10; kill -KILL "$daemon") >/dev/null 2>&1 &
    impatience=$!
    wait "$daemon" 2>/dev/null || true
    pkill -P "$impatience" 2>/dev/null || true
    kill "$impatience" 2>/dev/null || true
  fi
  # What a daemon that had to be killed leaves behind: containerd, logd and shims, which name our directory, with their
  # children, the containers; then mounts.
  for process in $(pgrep -f -- "$scratch/" || true); do
    pkill -KILL -P "$process" 2>/dev/null || true
    kill -KILL "$process" 2>/dev/null || true
  done
  while read -r mount; do
    umount -l "$mount" 2>/dev/null || true
  done < <(awk -v "top=$scratch/" 'index($5, top) == 1 {print $5}' /proc/self/mountinfo | sort -r)
  ip netns delete "$namespace" 2>/dev/null || true
  if [ "$result" != 0 ] && [ -s "$scratch/daemon.log" ]; then
    echo "demo: failed; the last that the daemon said:" >&2
    tail -n 30 "$scratch/daemon.log" >&2
  fi
  rm -rf --one-file-system "$scratch"
  exit "$result"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { printf '\n%s# %s%s\n' "$faint" "$*" "$normal"; }

# show prints a command as one would type it, then runs it.
show() {
  printf '\n%s$ %s%s\n' "$bold" "$*" "$normal"
  "$@"
}

extactor() { bin/extactor "$@"; }

# await reads the journal's events until one of the service matches; nothing is polled.
await() {
  local line
  while IFS= read -r -t 60 line <&"$journal"; do
    if [[ $line == *'"service":"ext-hello-world"'* && $line == *"$1"* ]]; then return 0; fi
  done
  echo "demo: waited in vain for an event with: $1" >&2
  return 1
}

# await_lines waits until the service has printed so many lines.
await_lines() { timeout 60 head -n "$1" < <(exec bin/extactor logs hello-world --follow) >/dev/null; }

mkdir "$scratch/config" "$scratch/state" "$scratch/run"
export EXTACTOR_SOCKET="$scratch/run/extactor.sock"

say "A service is a directory with its files, and a YAML file that says how to run it:"
show cat examples/hello-world/hello-world.yaml
show extactor validate examples/hello-world

say "A network namespace of its own, with an interface but without any address:"
show ip netns add "$namespace"
show ip -n "$namespace" link add demo0 type veth peer name demo1
show ip -n "$namespace" link set demo0 up
show ip -n "$namespace" link set demo1 up

say "A daemon in it, on scratch directories:"
printf '\n%s$ extactor daemon --services examples/hello-world --rootfs bin/rootfs --state ... --run ... &%s\n' "$bold" "$normal"
# nsenter and not "ip netns exec", which would also put the daemon into a mount namespace of its own. setsid keeps Ctrl-C
# from the daemon, so that it ends when we say so.
setsid nsenter --net="/run/netns/$namespace" bin/extactor daemon \
  --services examples/hello-world --rootfs bin/rootfs --config "$scratch/config" \
  --state "$scratch/state" --run "$scratch/run" --containerd embedded --console stderr 2>"$scratch/daemon.log" &
daemon=$!

for ((tries = 0; ; tries++)); do
  if bin/extactor status >/dev/null 2>&1; then break; fi
  if ((tries == 300)) || ! kill -0 "$daemon" 2>/dev/null; then exit 1; fi
  sleep 0.05
done

coproc bin/extactor events --follow --tail -1 --output json
watcher=$COPROC_PID
exec {journal}<&"${COPROC[0]}"

await '"message":"Waiting for network"'
say "It waits for an address, for as long as there is none:"
sleep 1
show extactor status hello-world

say "Now there is one:"
show ip -n "$namespace" address add 192.0.2.1/24 dev demo0
await '"kind":"TaskStarted"'
show extactor status hello-world
show extactor status
await_lines 1
show extactor logs hello-world

say "A person stops it. That it is stopped survives a restart of the daemon, not of the machine."
show extactor service hello-world stop
show extactor status hello-world

say "And starts it again:"
show extactor service hello-world start
await '"kind":"TaskStarted"'
show extactor status
await_lines 3
show extactor logs hello-world --tail 2

say "All of this is in the journal:"
show extactor events --tail 8

say "Done. The daemon stops the service, then itself; nothing is left behind."
