package spec

// HostService says how to tell whether a service that is not ours is up. Exactly one field but Name is set.
type HostService struct {
	Name    string // as others depend on it: "cri"; never "ext-..."
	Socket  string // up while this unix socket accepts
	Path    string // up while this path exists
	Systemd string // up while this systemd unit is active
	TCP     string // up while this host:port accepts
	Assume  bool   // taken to be up
}
