package condition

import "net/netip"

// Fact is what a watcher saw. A watcher pushes the whole fact each time, never a difference.
type Fact interface{ fact() }

// ServiceFact is the state of another service.
type ServiceFact struct {
	Registered bool // the id is known
	Up         bool // it is running and, where it has a health check, healthy
	Completed  bool // it has finished by itself and without error
}

// FileFact is what is at a path, after following symbolic links.
type FileFact struct {
	Exists bool
	Empty  bool // it is a file without content; looked at only as part of a FilesFact, else false
}

// FilesFact is what is at several paths; EtcFiles needs all of them.
type FilesFact struct{ Files map[string]FileFact }

// AddressesFact lists every address of the network namespace.
type AddressesFact struct{ Addresses []Address }

// Address is one address of one interface.
type Address struct {
	Interface   string
	InterfaceUp bool // IFF_UP and operational (or of unknown operational state)
	Loopback    bool
	Address     netip.Addr
	Tentative   bool // IPv6 duplicate address detection has not finished, or failed
}

// RoutesFact tells whether the network namespace has a usable default route.
type RoutesFact struct{ Default bool }

// HostnameFact is the kernel's host name.
type HostnameFact struct{ Hostname string }

// TimeFact tells whether the kernel's clock is synchronised.
type TimeFact struct{ Synchronized bool }

// ConfigurationFact tells whether a configuration document exists for the service.
type ConfigurationFact struct{ Exists bool }

func (ServiceFact) fact()       {}
func (FileFact) fact()          {}
func (FilesFact) fact()         {}
func (AddressesFact) fact()     {}
func (RoutesFact) fact()        {}
func (HostnameFact) fact()      {}
func (TimeFact) fact()          {}
func (ConfigurationFact) fact() {}
