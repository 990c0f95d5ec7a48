package condition

import "fmt"

// Met tells whether the fact satisfies the condition. A nil fact, or one of another kind, satisfies nothing.
func (c Condition) Met(fact Fact) bool {
	switch fact := fact.(type) {
	case ServiceFact:
		return fact.Registered && (c.Kind == Service && fact.Up || c.Kind == Completed && fact.Completed)
	case FileFact:
		return (c.Kind == Path || c.Kind == EnvironmentFile) && fact.Exists
	case FilesFact:
		return c.network(EtcFiles) && allFilled(fact)
	case AddressesFact:
		return c.network(Addresses) && anyGlobal(fact.Addresses)
	case RoutesFact:
		return c.network(Connectivity) && fact.Default
	case HostnameFact:
		return c.network(Hostname) && hostnameSet(fact.Hostname)
	case TimeFact:
		return c.Kind == Time && fact.Synchronized
	case ConfigurationFact:
		return c.Kind == Configuration && fact.Exists
	default:
		return false
	}
}

// Text is what stands behind "Waiting for" while the condition is unmet. The words are those of Talos.
func (c Condition) Text(fact Fact) string {
	switch c.Kind {
	case Service, Completed:
		if seen, ok := fact.(ServiceFact); ok && !seen.Registered {
			return fmt.Sprintf("service %q to be registered", c.Name)
		}

		if c.Kind == Completed {
			return fmt.Sprintf("service %q to be %q", c.Name, "completed")
		}

		return fmt.Sprintf("service %q to be %q", c.Name, "up")
	case Path, EnvironmentFile:
		return fmt.Sprintf("file %q to exist", c.Name)
	case Network:
		return "network"
	case Time:
		return "time sync"
	case Configuration:
		return "extension service config"
	default:
		return c.Key()
	}
}

func (c Condition) network(check string) bool { return c.Kind == Network && c.Name == check }

func allFilled(fact FilesFact) bool {
	for _, file := range fact.Files {
		if !file.Exists || file.Empty {
			return false
		}
	}

	return len(fact.Files) > 0
}

// anyGlobal follows Talos: an address counts when it is neither loopback nor link-local and its interface is up. A
// tentative IPv6 address cannot be bound yet, so it does not count.
func anyGlobal(addresses []Address) bool {
	for _, address := range addresses {
		ip := address.Address
		if address.InterfaceUp && !address.Loopback && !address.Tentative &&
			ip.IsValid() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && !ip.IsUnspecified() && !ip.IsMulticast() {
			return true
		}
	}

	return false
}

func hostnameSet(hostname string) bool {
	switch hostname {
	case "", "localhost", "(none)":
		return false
	default:
		return true
	}
}
