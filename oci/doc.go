// Package oci turns a service file into a running container: it makes the OCI runtime spec, prepares what the container
// needs of the host, and drives containerd. It is the only package that knows containerd.
//
// # The spec
//
// Generate starts from containerd's own default spec and changes what the table in docs/compatibility.md says. It is a
// pure function of the service, its configuration, the Host and the environment file's content, so that the same input
// gives the same spec.
//
//   - Default mounts, masked paths, read-only paths and the seccomp profile are containerd's, taken from its library
//     rather than copied, so that "containerd's defaults" stays true when the library is updated.
//   - The environment is the environment file, then the file's own environment, then that of the configuration document.
//     A name that occurs again keeps its first place and gets the last value. Values are literal. There is no default
//     PATH, as in Talos: an entrypoint without a slash is found only if the service's own environment sets PATH.
//   - /etc/hosts and /etc/resolv.conf of the host are mounted where they exist at the moment of the start. A service
//     that cannot do without them says so by depends: network: etcfiles.
//   - The capability list is what this process may grant, so that the same file works where the daemon itself runs in a
//     container with fewer; the lowered out-of-memory score is left out where the kernel would refuse it.
//   - The files of the configuration document are mounted last, read-only, over whatever is there. A mount point that does
//     not exist is made on the overlay, also where the root file system is read-only: that comes later.
//   - Limits are the cgroup's, and only those that the service file sets.
//   - No annotation, label or hook is set here: whoever makes the container adds them.
//
// # Before and after a start
//
// Preflight finds, before containerd is asked, what would fail with a riddle: a root file system that is not there, a
// mount source that cannot be made. OverlayRootfs gives every attempt a fresh writable layer. ExplainStartError puts
// the errors of runc and crun in plain words, ExplainExecFailure what a program that could not be executed left in the
// log. Redact keeps secrets out of what is recorded.
//
// # Running
//
// Runtime runs containers by containerd: one of the host's, or a lean one of our own (package server) as a child that
// outlives the daemon. Exec runs a command beside a task, UpdateConfig changes the files that it was given. What
// services print goes through package logs, how they ended through package exits. Nothing that lacks the label of our
// own instance is ever touched.
package oci
